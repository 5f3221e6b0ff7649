# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many Debian containers with systemd at once, by one task: all come up, or the limit of this host that is too low for them is named."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach, create
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet, shortage
from stock import end_of_monitor

pytestmark = pytest.mark.slow
__all__ = ["end_of_monitor"]

COUNT = 20 if os.environ.get("HOSTKIT_SOAK") == "1" else 3
INSTANCES = "fs.inotify.max_user_instances"
ENOUGH = 1024
# The sysctl is the whole host's, but the count is each user's: of this one all services below are, and nothing else, also
# where two runs of this file are under way.
USER = 100000 + secrets.randbelow(1 << 20)
SERVICE = f"""[Service]
Type=forking
User={USER}
ExecStart=/usr/local/sbin/watch
[Install]
WantedBy=multi-user.target
"""
# inotify_init1(2) by its number; who gets none fails, who gets one keeps it.
WATCH = """#!/usr/bin/perl
my %number = (x86_64 => 294, aarch64 => 26, armv7l => 360, ppc64le => 318, riscv64 => 26, s390x => 324);
exit 1 if syscall($number{NUMBER}, 0) < 0;
exit 0 if fork;
sleep;
""".replace("NUMBER", os.uname().machine)
# As many as there are to be had, up to 1000; then gives back as many as it is told.
HOLDER = """
import ctypes, os, sys
libc, held = ctypes.CDLL(None), []
while len(held) < 1000 and (fd := libc.inotify_init()) >= 0:
    held.append(fd)
print(len(held), flush=True)
for fd in held[:int(sys.stdin.readline() or 0)]:
    os.close(fd)
print("closed", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def debians(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[paths.Container]]:
    """Overlays over one root, which is copied from the host's cache, where a mirror put it; stopped at the end."""
    lxc_path = tmp_path_factory.mktemp("lxc")
    base = paths.container("tbase", str(lxc_path))
    try:
        create.create(create.CreateRequest(base, "debian", {}, config={"lxc.net.0.type": "empty"}), print)
    except StepError:
        request.getfixturevalue("mirror")  # skips where none answers: then there was nothing to make a root from
        raise
    made = [over(base, f"tmany{number}", number) for number in range(COUNT)]
    yield made
    assert not task(made, "stopped").failed


def over(base: paths.Container, name: str, number: int) -> paths.Container:
    one = paths.container(name, base.lxc_path)
    upper = Path(one.directory, "delta0")
    (upper / "etc").mkdir(parents=True)
    (upper / "etc/machine-id").write_text(f"{number + 1:032x}\n")
    (upper / "etc/hostname").write_text(f"{name}\n")
    Path(one.rootfs).mkdir()
    own = ("lxc.rootfs.path", "lxc.uts.name")
    lines = [line for line in Path(base.config).read_text().splitlines() if not line.startswith(own)]
    lines += [f"lxc.rootfs.path = overlay:{base.rootfs}:{upper}", f"lxc.uts.name = {name}"]
    Path(one.config).write_text("\n".join(lines) + "\n")
    return one


def task(containers: list[paths.Container], state: str, **params: Any) -> Any:
    names = [one.name for one in containers]
    return fleet.job({"name": names, "lxc_path": containers[0].lxc_path, "state": state, "stop_timeout": 120, **params}).apply()


def boot(containers: list[paths.Container]) -> tuple[bool, str]:
    """Whether all are up and none is degraded, and what was said of that: all warnings, and why the task failed."""
    report = task(containers, "started", wait_for=["systemd"], wait_timeout=180)
    words = [] if report.failed else [word(one) for one in containers]
    return set(words) == {"running"}, " ".join([*report.warnings, report.failed, *words])


def word(one: paths.Container) -> str:
    result = attach.attach(one, attach.AttachRequest(["systemctl", "is-system-running"], timeout=60))
    return result.stdout.decode().strip()


@contextlib.contextmanager
def raised(sysctl: str, least: int) -> Iterator[None]:
    """At least that, for the moment; it is the real host's."""
    place = Path("/proc/sys") / sysctl.replace(".", "/")
    before = place.read_text()
    if int(before) >= least:
        yield
        return
    place.write_text(str(least))
    try:
        yield
    finally:
        place.write_text(before)


@pytest.mark.soak
def test_all_come_up_or_the_limit_that_is_too_low_is_named(debians: list[paths.Container]) -> None:
    """Where it is, a boot may be degraded or not come to its end; with the limit raised none is."""
    is_well, said = boot(debians)
    if not is_well:
        assert f"{INSTANCES} is " in said and f"sysctl -w {INSTANCES}={ENOUGH}" in said, said
        with raised(INSTANCES, ENOUGH):
            assert not task(debians, "stopped").failed
            is_well, said = boot(debians)
            assert not task(debians, "stopped").failed
    assert is_well and INSTANCES not in said, said


@pytest.fixture
def watching(debians: list[paths.Container]) -> list[paths.Container]:
    """Three, each with a service that wants one instance: what systemd itself takes has room beside them."""
    for one in debians[:3]:
        upper = Path(one.directory, "delta0")
        for name, text, mode in (("usr/local/sbin/watch", WATCH, 0o755), ("etc/systemd/system/watch.service", SERVICE, 0o644)):
            (upper / name).parent.mkdir(parents=True, exist_ok=True)
            (upper / name).write_text(text)
            (upper / name).chmod(mode)
        users = Path(one.lxc_path, "tbase/rootfs/etc/passwd").read_text()
        (upper / "etc/passwd").write_text(f"{users}watch:x:{USER}:{USER}::/:/bin/sh\n")
        wants = upper / "etc/systemd/system/multi-user.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / "watch.service").symlink_to("../watch.service")
    return debians[:3]


@contextlib.contextmanager
def all_but(left: int) -> Iterator[None]:
    """That user has every instance that he may have but so many; others are not touched."""
    holders: list[subprocess.Popen[str]] = []
    try:
        while not holders or said(holders[-1]) == "1000":
            holders.append(holder())
        tell(holders[0], left)
        assert said(holders[0]) == "closed"
        yield
    finally:
        for one in holders:
            one.communicate()


def holder() -> subprocess.Popen[str]:
    return subprocess.Popen(["/usr/bin/python3", "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=USER)


def said(one: subprocess.Popen[str]) -> str:
    assert one.stdout is not None
    return one.stdout.readline().strip()


def tell(one: subprocess.Popen[str], number: int) -> None:
    assert one.stdin is not None
    one.stdin.write(f"{number}\n")
    one.stdin.flush()


def test_a_limit_that_is_too_low_is_named(watching: list[paths.Container], monkeypatch: pytest.MonkeyPatch) -> None:
    """Made too low by one instance, by using up the others; as soon as they are free again all is well."""
    monkeypatch.setattr(shortage, "_MANY", 2)  # so few containers are not looked at otherwise
    assert not task(watching, "stopped").failed
    with all_but(len(watching) - 1):
        is_well, words = boot(watching)
        assert not task(watching, "stopped").failed
    assert not is_well and words.split()[-len(watching) :].count("degraded") == 1, words
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    assert f"{INSTANCES} is {limit}, of which uid {USER} uses {limit}: " in words
    assert f"sysctl -w {INSTANCES}={max(ENOUGH, 2 * limit)}" in words
    is_well, words = boot(watching)
    assert is_well and f"uid {USER}" not in words, words
