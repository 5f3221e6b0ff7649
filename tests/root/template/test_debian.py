# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian, made once for all of these tests from the host's own mirror."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError, StepError, Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import command
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import create
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template import debian

pytestmark = pytest.mark.slow

OPTIONS: dict[str, object] = {"packages": ["openssh-server"], "cache_max_age": "30d"}
# Planted into the host's APT in a mount namespace, where the first container is made: nothing of it may be found in the root.
SECRET = "s3cr3t-of-the-host"


def with_secret(no_proxy: str) -> str:
    """A name for the environment, from which the proxy is taken on the way, and which nothing may keep."""
    return f"{no_proxy},{SECRET}.invalid".lstrip(",")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("apt") / "apt"
    shutil.copytree("/etc/apt", place, symlinks=True)
    (place / "auth.conf.d").mkdir(exist_ok=True)
    (place / "auth.conf.d/planted.conf").write_text(f"machine nowhere.invalid login me password {SECRET}\n")
    (place / "apt.conf.d/99planted").write_text(f'Acquire::http::Proxy::nowhere.invalid "http://me:{SECRET}@proxy.invalid:3128";\n')
    return place


def make_in_child(host: Path, cache: str, names: list[str], planted: Path) -> None:
    """Both containers at once, in processes of their own: one makes the root, the other waits and copies."""
    code = f"""
import sys, types
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import conftest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
paths.CACHE, paths.STATE, paths.LXC_RUN, paths.DEFAULT_CONF = {cache!r}, {str(host / "state")!r}, {str(host / "run")!r}, "/none"
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import command
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import create
one = paths.container(sys.argv[1], {str(host / "lxc")!r})
request = create.CreateRequest(one, "debian", {OPTIONS!r}, config={{"lxc.net.0.type": "empty"}})
create.create(request, lambda line: print(line, flush=True))
"""
    script = 'mount --bind "$0" /etc/apt; exec "$@"'
    argv = ["unshare", "--mount", "sh", "-ec", script, str(planted), sys.executable, "-c", code]
    env = {**os.environ, "no_proxy": with_secret(os.environ.get("no_proxy", ""))}
    children = [subprocess.Popen([*argv, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env) for name in names]
    outputs = [child.communicate(timeout=900)[0] for child in children]
    assert not any(child.returncode for child in children), "\n".join(outputs)
    (host / "output").write_text("\n".join(outputs))


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory, cache: str, planted: Path, mirror: str) -> Path:
    """ttwin1 and ttwin2."""
    if shutil.which("mmdebstrap") is None and shutil.which("debootstrap") is None:
        pytest.skip("neither mmdebstrap nor debootstrap is on this host")
    host = tmp_path_factory.mktemp("twins")
    (host / "lxc").mkdir()
    make_in_child(host, cache, ["ttwin1", "ttwin2"], planted)
    return host


def root(host: Path, number: int) -> Path:
    return host / f"lxc/ttwin{number}/rootfs"


def test_it_was_made_once_and_copied(twins: Path, cache: str) -> None:
    output = (twins / "output").read_text()
    assert output.count("Copying the root file system") == 2 and output.count("Making Debian") <= 1
    kept = [name for name in os.listdir(f"{cache}/hostkit") if not name.endswith(".lock")]
    assert len(kept) >= 1 and not any(".new-" in name or ".old-" in name for name in kept)
    assert os.stat(f"{cache}/hostkit").st_mode & 0o077 == 0


def test_each_has_an_identity_of_its_own(twins: Path) -> None:
    ids = {(root(twins, number) / "etc/machine-id").read_text() for number in (1, 2)}
    keys = {(root(twins, number) / "etc/ssh/ssh_host_ed25519_key.pub").read_text() for number in (1, 2)}
    assert len(ids) == 2 and len(keys) == 2 and all(len(one.strip()) == 32 for one in ids)
    for number in (1, 2):
        assert (root(twins, number) / "etc/hostname").read_text() == f"ttwin{number}\n"
        assert oct((root(twins, number) / "etc/ssh/ssh_host_ed25519_key").stat().st_mode & 0o777) == "0o600"
        dbus = root(twins, number) / "var/lib/dbus/machine-id"
        assert not dbus.exists() or dbus.is_symlink()


def test_nothing_of_the_hosts_credentials_or_proxies_gets_in(twins: Path) -> None:
    found = subprocess.run(["grep", "-rlaF", "-e", SECRET, "-e", "nowhere.invalid", root(twins, 1)], stdout=subprocess.PIPE, check=False)
    assert found.stdout == b"" and found.returncode == 1
    assert subprocess.run(["grep", "-rlEi", 'proxy *"', root(twins, 1) / "etc/apt"], stdout=subprocess.PIPE, check=False).stdout == b""
    lists = root(twins, 1) / "etc/apt"
    lines = [
        line
        for path in (lists / "sources.list", *lists.glob("sources.list.d/*.list"))
        if path.exists()
        for line in path.read_text().splitlines()
    ]
    assert sorted(filter(None, lines)) == sorted(source.line() for source in debian.recipe(OPTIONS).sources)
    host_name = os.uname().nodename
    assert host_name not in (root(twins, 1) / "etc/hostname").read_text()
    assert "\nroot:*:" in "\n" + (root(twins, 1) / "etc/shadow").read_text()


def test_systemd_boots_to_running_with_an_address(twins: Path, host: Path, stock: Callable[[str], str]) -> None:
    config = twins / "lxc/ttwin1/config"
    text = config.read_text().replace("lxc.net.0.type = empty", "lxc.net.0.type = veth\nlxc.net.0.link = tbr0\nlxc.net.0.flags = up")
    config.write_text(text)
    said = stock(
        f"P={twins}/lxc; ip link add tbr0 type bridge; ip addr add 10.99.0.1/24 dev tbr0; ip link set tbr0 up; ip link set lo up; "
        f"dnsmasq --conf-file=/dev/null --interface=tbr0 --bind-interfaces --dhcp-range=10.99.0.10,10.99.0.20 --user=root "
        f"--pid-file={host}/dnsmasq.pid --dhcp-leasefile={host}/leases --port=0 --dhcp-option=6,10.99.0.1; "
        "lxc-start -P $P -n ttwin1; "
        "for i in $(seq 200); do lxc-attach -P $P -n ttwin1 -- systemctl is-system-running --wait 2>/dev/null && break; sleep 0.1; done; "
        "lxc-attach -P $P -n ttwin1 -- systemctl --failed --no-legend; "
        "for i in $(seq 200); do lxc-attach -P $P -n ttwin1 -- ip -4 -o addr show dev eth0 | grep 10.99 && break; sleep 0.1; done; "
        "for i in $(seq 100); do lxc-attach -P $P -n ttwin1 -- resolvectl dns | grep 10.99.0.1 && break; sleep 0.1; done; "
        "lxc-attach -P $P -n ttwin1 -- systemctl is-active ssh; cat $P/ttwin1/rootfs/etc/machine-id; "
        "lxc-attach -P $P -n ttwin1 -- cat /etc/machine-id; "
        f"lxc-stop -P $P -n ttwin1 -t 60 --nokill; echo stopped $?"
    )
    lines = said.splitlines()
    assert lines[0] == "running" and "inet 10.99.0." in said and "active" in lines and lines[-1] == "stopped 0", said
    assert lines[-2] == lines[-3]


def test_a_third_one_is_a_copy_without_the_mirror(twins: Path, host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "bootstrap", lambda *args: pytest.fail("made anew"))
    lines: list[str] = []
    create.create(create.CreateRequest(paths.container("tthird", str(host / "lxc")), "debian", OPTIONS), lines.append)
    assert any("Copying" in line for line in lines)


def test_too_old_is_made_anew(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "CACHE", str(host / "cache"))
    recipe = debian.recipe(OPTIONS)
    entry = host / f"cache/hostkit/{recipe.name()}"
    (entry / "rootfs").mkdir(parents=True)
    (entry / "made").touch()
    os.utime(entry / "made", (time.time() - 31 * 86400,) * 2)
    made: list[str] = []

    def bootstrap(wanted: debian.Recipe, rootfs: str, log: object) -> None:
        made.append(rootfs)
        raise StepError("template", "Run", "mmdebstrap", text="no network")

    monkeypatch.setattr(debian, "bootstrap", bootstrap)
    with pytest.raises(StepError, match="no network"):
        create.create(create.CreateRequest(paths.container("told", str(host / "lxc")), "debian", OPTIONS), lambda line: None)
    assert len(made) == 1 and os.listdir(host / "lxc") == []
    assert sorted(os.listdir(host / "cache/hostkit")) == [recipe.name(), f"{recipe.name()}.lock"]


def test_a_mirror_that_does_not_answer_leaves_nothing(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "CACHE", str(host / "cache"))
    lines: list[str] = []
    options = {"mirror": "http://127.0.0.1:9/debian"}
    with pytest.raises(StepError, match="debstrap: it ended with status") as caught:
        create.create(create.CreateRequest(paths.container("tnone", str(host / "lxc")), "debian", options), lines.append)
    assert caught.value.log and len(lines) > 1
    assert os.listdir(host / "lxc") == [] and [name for name in os.listdir(host / "cache/hostkit") if not name.endswith(".lock")] == []


def test_a_release_that_another_key_has_signed_is_refused(host: Path, mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By mmdebstrap, with a keyring that lacks Debian's keys; test_debootstrap.py has the same for the other."""
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not on this host")
    monkeypatch.setattr(paths, "CACHE", str(host / "cache"))
    keyring = host / "empty.gpg"
    keyring.touch()
    monkeypatch.setattr(debian, "_KEYRING", str(keyring))
    lines: list[str] = []
    wanted = create.CreateRequest(paths.container("tnone", str(host / "lxc")), "debian", {"mirror": mirror})
    with pytest.raises(StepError, match="mmdebstrap: it ended with status"):
        create.create(wanted, lines.append)
    said = "\n".join(lines)
    assert "NO_PUBKEY" in said and "is not signed" in said, said
    assert os.listdir(host / "lxc") == [] and [name for name in os.listdir(host / "cache/hostkit") if not name.endswith(".lock")] == []


def test_a_password_in_the_mirror_is_refused_and_not_shown(host: Path) -> None:
    options = {"mirror": f"http://me:{SECRET}@mirror.invalid/debian"}
    with pytest.raises(LxcError) as caught:
        create.create(create.CreateRequest(paths.container("tnone", str(host / "lxc")), "debian", options), lambda line: None)
    assert SECRET not in str(caught.value) + str(caught.value.details())


@pytest.mark.parametrize("program", ["arch-test", None])
def test_an_architecture_that_this_host_cannot_run_is_refused_first(
    host: Path, monkeypatch: pytest.MonkeyPatch, program: str | None
) -> None:
    """Asked of arch-test where it is installed, and of the kernel where it is not."""
    which = command.which
    monkeypatch.setattr(command, "which", lambda name: None if name == "arch-test" != program else which(name))
    foreign = "s390x"
    registered = any(Path("/proc/sys/fs/binfmt_misc").glob(f"*{foreign}*"))
    if registered or os.uname().machine == foreign or shutil.which(f"qemu-{foreign}-static"):
        pytest.skip(f"this host runs {foreign}")
    lines: list[str] = []
    one = paths.container("tforeign", str(host / "lxc"))
    with pytest.raises(Unsupported, match=f"cannot run the programs of arch {foreign}.*binfmt_misc"):
        create.create(create.CreateRequest(one, "debian", {"arch": foreign}), lines.append)
    assert lines == [] and os.listdir(host / "lxc") == []
