# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many Debian containers with systemd at once, by one task: all come up, or the limit of this host that is too low for them is named."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach, create
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet
from stock import end_of_monitor

pytestmark = pytest.mark.slow
__all__ = ["end_of_monitor"]

COUNT = 20 if os.environ.get("HOSTKIT_SOAK") == "1" else 3
INSTANCES = "fs.inotify.max_user_instances"
ENOUGH = 1024


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
