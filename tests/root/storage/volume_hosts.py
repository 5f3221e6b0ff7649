# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of logical volumes and of datasets have in common: tasks, files in a root, kills at drawn offsets."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import snapshots
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import mountinfo
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import snapshot_list
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends
from storage_images import apply
from test_killed import kill_at

ROUNDS = 20 if os.environ.get("HOSTKIT_SOAK") == "1" else 3


class Host:
    """Containers of one backing store in one lxcpath. `left` tells what of the store there is, by its names."""

    def __init__(self, lxc_path: Path, options: dict[str, Any], left: Callable[[], list[str]]) -> None:
        self.lxc_path, self.options, self.left = lxc_path, options, left

    def one(self, name: str) -> Container:
        return Container(str(self.lxc_path), name)

    def said(self, name: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "lxc_path": str(self.lxc_path), **more}

    def made(self, name: str, **more: Any) -> dict[str, Any]:
        said = {"template": "busybox", "network": [], "state": "present", **self.options, **more}
        return apply(**self.said(name, **{option: value for option, value in said.items() if value is not None}))

    def cloned(self, source: str, name: str, **more: Any) -> dict[str, Any]:
        return apply(**self.said(name, clone_from=source, state="present", **more))

    def state(self, name: str, state: str, **more: Any) -> dict[str, Any]:
        return apply(**self.said(name, state=state, **more))

    def refused(self, name: str, **more: Any) -> str:
        """What a task says that fails in check mode, and fails in the same way when it is not."""
        texts = []
        for act in ("predict", "apply"):
            try:
                report = getattr(fleet.job({"stop_timeout": 5, **self.said(name, **more), "name": [name]}), act)()
                texts.append(str(report.failed))
            except LxcError as error:
                texts.append(error.message)
        assert texts[0] in texts[1] and texts[0] != "None", texts
        return texts[1]

    def root(self, name: str) -> str:
        return snapshot_list.rootfs_path(self.one(name))

    def write(self, one: Container, text: str) -> None:
        """Into a file of a root that is not in use."""
        self.inside(one, lambda place: (place / "etc/state").write_text(text))

    def inside(self, one: Container, act: Callable[[Path], Any]) -> Any:
        from forked import run as in_child

        store = backends.for_rootfs(snapshot_list.rootfs_path(one))

        def there() -> Any:
            snapshots.mount_old.mount("none", "/", "", snapshots.libc.MS_REC | snapshots.libc.MS_PRIVATE, "")
            snapshots.mount_old.mount("tmpfs", "/mnt", "tmpfs", 0, "")
            os.mkdir("/mnt/root")
            place = store.mount_host("/mnt/root")
            try:
                return act(Path(place))
            finally:
                store.umount(place)

        return in_child(there, snapshots.libc.CLONE_NEWNS)

    def read(self, one: Container) -> str:
        return str(self.inside(one, lambda place: (place / "etc/state").read_text()))

    def check_gone(self, *names: str) -> None:
        """Nothing of these, and nothing that is mounted."""
        assert sorted(os.listdir(self.lxc_path)) == sorted(names)
        assert not [one.target for one in mountinfo.read() if str(self.lxc_path) in one.target]

    def clean(self) -> None:
        """Also after a test that failed; those that others need go after them."""
        for _round in range(4):
            for name in os.listdir(self.lxc_path):
                if os.path.exists(self.lxc_path / name / "config"):
                    try:
                        self.state(name, "absent", stop_timeout=0, delete_snapshots=True)
                    except Exception as error:  # whether it matters is asked at the end
                        print(error)
        assert self.left() == []

    def kill_rounds(self, act: dict[str, Any], name: str) -> None:
        """Killed anywhere, the same task makes it, and removing it leaves what there was before."""
        seed = int(os.environ.get("HOSTKIT_SEED", random.randrange(1 << 32)))
        print(f"HOSTKIT_SEED={seed}")
        draw = random.Random(seed)
        before, names = self.left(), os.listdir(self.lxc_path)
        began = time.monotonic()
        apply(**act)
        whole = time.monotonic() - began
        self.state(name, "absent")
        assert self.left() == before
        for number in range(ROUNDS):
            kill_at(draw.uniform(0, whole), act)
            if number % 2:
                apply(**act)
                assert not os.path.exists(self.one(name).partial) and not apply(**act)["changed"]
            self.state(name, "absent")
            assert self.left() == before, number
            self.check_gone(*names)


def pid_root(entry: dict[str, Any]) -> Path:
    return Path(f"/proc/{entry['init_pid']}/root")
