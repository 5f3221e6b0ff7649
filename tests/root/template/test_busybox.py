# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A busybox container under stock LXC."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import create, destroy
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template import busybox

WAIT_UP = "for i in $(seq 100); do lxc-attach -P $P -n {0} -- /bin/true 2>/dev/null && break; sleep 0.1; done"


def made(host: Path, name: str, **more: object) -> paths.Container:
    if shutil.which("busybox") is None:
        pytest.skip("busybox is not on this host")
    container = paths.container(name, str(host / "lxc"))
    create.create(create.CreateRequest(container, "busybox")._replace(**more), lambda line: None)  # type: ignore[arg-type]
    return container


def test_what_is_in_it(host: Path) -> None:
    before = os.umask(0o077)
    try:
        container = made(host, "tbox")
    finally:
        os.umask(before)
    root = Path(container.rootfs)
    assert os.path.samefile(root / "sbin/init", root / "bin/busybox") and os.access(root / "bin/busybox", os.X_OK)
    assert (root / "etc/shadow").read_text().startswith("root:*:") and (root / "etc/passwd").read_text().startswith("root:x:")
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777 and stat.S_IMODE((root / "root").stat().st_mode) == 0o700
    for name in ("", "etc", "usr", "usr/share", "usr/share/udhcpc", "var"):
        assert stat.S_IMODE((root / name).stat().st_mode) == 0o755, name
    assert (root / "etc/hostname").read_text() == "tbox\n"


def test_the_host_name_inside_is_the_one_of_the_config(host: Path) -> None:
    container = made(host, "tbox", config={"lxc.uts.name": "tbox.example"})
    assert (Path(container.rootfs) / "etc/hostname").read_text() == "tbox.example\n"


@pytest.mark.parametrize("store", ["dir", "overlayfs"])
def test_it_runs_and_stops_under_stock_lxc_confined_as_said(host: Path, stock: Callable[[str], str], store: str) -> None:
    made(host, "tbox", backing_store=store, config={"lxc.net.0.type": "empty"})
    said = stock(
        "lxc-start -P $P -n tbox; " + WAIT_UP.format("tbox") + "; lxc-attach -P $P -n tbox -- /bin/sh -c '"
        "hostname; grep CapBnd /proc/1/status; touch /proc/sys/kernel/x 2>&1 || echo read-only; ls -d /dev/mqueue; touch /new"
        "'; lxc-stop -P $P -n tbox -t 20; lxc-info -P $P -n tbox -s"
    )
    lines = said.splitlines()
    assert lines[0] == "tbox" and "STOPPED" in lines[-1] and "/dev/mqueue" in lines and "read-only" in said
    bounding = int(lines[1].split()[1], 16)
    assert not any(bounding >> number & 1 for number in (16, 17, 25, 32, 33))  # sys_module sys_rawio sys_time mac_override mac_admin
    assert bounding >> 21 & 1  # sys_admin
    destroy.destroy(paths.container("tbox", str(host / "lxc")))
    assert os.listdir(host / "lxc") == []


def test_with_a_veth_and_no_dhcp_server_it_does_not_hang(host: Path, stock: Callable[[str], str]) -> None:
    networks = [{"type": "veth", "link": "tbr0", "flags": "up"}]
    made(host, "tbox", networks=networks)
    said = stock(
        "ip link add tbr0 type bridge; ip link set tbr0 up; lxc-start -P $P -n tbox; " + WAIT_UP.format("tbox") + "; "
        "lxc-attach -P $P -n tbox -- /bin/sh -c 'cat /sys/class/net/eth0/address; "
        "for i in $(seq 300); do ps | grep [u]dhcpc && break; sleep 0.1; done'; "
        "lxc-stop -P $P -n tbox -t 20 --nokill; echo stopped $?"
    )
    assert "udhcpc" in said and said.splitlines()[-1] == "stopped 0"
    assert said.splitlines()[0].startswith("00:16:3e:")


def test_it_gets_an_address_where_a_server_answers(host: Path, stock: Callable[[str], str]) -> None:
    if subprocess.run(["sh", "-c", "command -v dnsmasq"], stdout=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("dnsmasq is not on this host")
    made(host, "tbox", networks=[{"type": "veth", "link": "tbr0", "flags": "up"}])
    said = stock(
        f"ip link add tbr0 type bridge; ip addr add 10.99.0.1/24 dev tbr0; ip link set tbr0 up; ip link set lo up; "
        f"dnsmasq --conf-file=/dev/null --interface=tbr0 --bind-interfaces --dhcp-range=10.99.0.10,10.99.0.20 --user=root "
        f"--pid-file={host}/dnsmasq.pid --dhcp-leasefile={host}/leases --port=0 --dhcp-option=6,10.99.0.1; "
        "lxc-start -P $P -n tbox; for i in $(seq 150); do "
        "lxc-attach -P $P -n tbox -- ip -4 addr show dev eth0 2>/dev/null | grep -q 10.99 && break; "
        "sleep 0.1; done; lxc-attach -P $P -n tbox -- ip -4 addr show dev eth0; lxc-attach -P $P -n tbox -- cat /etc/resolv.conf; "
        f"lxc-attach -P $P -n tbox -- ip route; lxc-stop -P $P -n tbox -k"
    )
    assert "inet 10.99.0." in said and "nameserver 10.99.0.1" in said and "default via 10.99.0.1" in said


def test_a_busybox_that_needs_libraries_is_refused(host: Path) -> None:
    with pytest.raises(BadValue, match="linked statically"):
        busybox.check({"busybox_path": os.path.realpath("/bin/sh")})
