# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of `make bench` for clones and snapshots: the work in the module, of a warm process, beside LXC's tools on the same root."""

from __future__ import annotations

import os
import random
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import NO_PEER, make_container, run, timed
from row import Row, take_turns

FILES = 6000  # with 60 MB: a small Debian
FEW = 300


def fill(root: Path, files: int) -> None:
    draw = random.Random(1)
    for number in range(files):
        place = root / f"usr/share/{number // 100}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}").write_bytes(draw.randbytes(draw.choice((200, 2000, 4000, 40000))))
    os.sync()


def cpu(act: Callable[[], object]) -> float:
    """Milliseconds of processor time, of this process and of those that it waits for."""
    before = _used()
    act()
    return (_used() - before) * 1000


def _used() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


@contextmanager
def btrfs(place: Path) -> Iterator[Path]:
    """One of its own, in an image."""
    place.mkdir()
    image = place.with_suffix(".img")
    run("truncate", "-s", "2G", str(image))
    run("mkfs.btrfs", "-q", str(image))
    run("mount", "-o", "loop", str(image), str(place))
    try:
        yield place
    finally:
        run("umount", str(place))
        image.unlink()


class Source:
    """A container that is cloned by both sides, in turns; what is made is removed when its time was taken."""

    def __init__(self, lxc_path: Path, store: str, files: int) -> None:
        from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
        from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.btrfs import Btrfs

        self.lxc_path = lxc_path
        self.one = paths.container("source", str(lxc_path))
        make_container(lxc_path, "source", veth=False)
        root = Path(self.one.rootfs)
        fill(root, files)
        if store == "btrfs":
            kept = root.rename(lxc_path / "kept")
            Btrfs.create(self.one, {})
            run("cp", "-a", "--reflink=always", f"{kept}/.", str(root))
            shutil.rmtree(kept)
        if store == "overlayfs":
            upper = lxc_path / "source/overlay/delta"
            (upper / "etc").mkdir(parents=True)
            (upper.parent / "work").mkdir()
            for number in range(20):
                (upper / f"etc/{number}").write_text("changed")
        text = {"overlayfs": f"overlay:{root}:{self.one.directory}/overlay/delta"}.get(store, f"{store}:{root}")
        config = Path(self.one.config)
        config.write_text(config.read_text().replace(f"dir:{root}", text))

    def ours(self, measure: Callable[[Callable[[], object]], float], shares: bool) -> Callable[[], list[float]]:
        from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
        from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import clone, destroy

        target = paths.container("ours", str(self.lxc_path))
        request = clone.CloneRequest(self.one, target, snapshot=shares)

        def act() -> list[float]:
            sample = measure(lambda: clone.clone(request, lambda _line: None))
            destroy.destroy(target)
            return [sample]

        return act

    def theirs(self, measure: Callable[[Callable[[], object]], float], *words: str) -> Callable[[], list[float]]:
        where = ("-P", str(self.lxc_path), "-n")

        def act() -> list[float]:
            sample = measure(lambda: run("lxc-copy", *where, "source", "-N", "theirs", *words))
            run("lxc-destroy", *where, "theirs")
            return [sample]

        return act

    def by_cp(self) -> list[float]:
        place = self.lxc_path / "by-cp"
        sample = timed(lambda: run("cp", "-a", f"{self.one.rootfs}/.", str(place)))
        shutil.rmtree(place)
        return [sample]

    def our_snapshot(self) -> list[float]:
        """As the module makes it: looked at, made, looked at again."""
        from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import snapshot

        where = {"name": "source", "lxc_path": str(self.lxc_path)}
        sample = timed(lambda: snapshot.Job(where).apply())
        snapshot.Job({**where, "all": True, "state": "absent"}).apply()
        return [sample]

    def their_snapshot(self) -> list[float]:
        where = ("-P", str(self.lxc_path), "-n", "source")
        sample = timed(lambda: run("lxc-snapshot", *where))
        run("lxc-snapshot", *where, "-d", "snap0")
        return [sample]


def warmed(row: Row, turns: int, ours: Callable[[], list[float]], theirs: Callable[[], list[float]]) -> Row:
    """The first round loads what both need."""
    ours(), theirs()
    take_turns(row, turns, ours, theirs)
    return row


def bench_clones(lxc_path: Path, turns: int, copies: int, files: int) -> list[Row]:
    plain, layers = Source(lxc_path / "cd", "dir", files), Source(lxc_path / "co", "overlayfs", FEW)
    rows = [
        warmed(Row("overlay snapshot clone", "lxc-copy -s", 1.0), turns, plain.ours(timed, True), plain.theirs(timed, "-s")),
        warmed(Row("snapshot of an overlay container", "lxc-snapshot", 0.3), turns, layers.our_snapshot, layers.their_snapshot),
        warmed(Row(f"copy of a directory, {files} files", "cp -a", 1.05), copies, plain.ours(timed, False), plain.by_cp),
        warmed(
            Row(f"copy of a directory, {files} files, processor time", "lxc-copy", 0.5),
            copies,
            plain.ours(cpu, False),
            plain.theirs(cpu),
        ),
    ]
    with btrfs(lxc_path / "cb") as place:
        volume, shared = Source(place / "v", "btrfs", FEW), Source(place / "d", "dir", files)
        rows += [
            warmed(Row("btrfs snapshot clone", "lxc-copy -s", 1.0), turns, volume.ours(timed, True), volume.theirs(timed, "-s")),
            warmed(
                Row(f"copy by reflink, {files} files, processor time", "lxc-copy", 0.1),
                copies,
                shared.ours(cpu, False),
                shared.theirs(cpu),
            ),
        ]
    return rows


def bench_many_clones(lxc_path: Path, count: int, rounds: int, tasks: Callable[..., list[float]], peer_ansible: str) -> list[Row]:
    """Overlay clones of one container in one task, and the peer's loop that makes them; none is started."""
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import destroy

    if not peer_ansible:
        print(NO_PEER)
        return []
    row = Row(f"one task making {count} overlay clones", f"community.general loop of {count}", goal=0.1)
    place, names = lxc_path / "cm", [f"cm{number}" for number in range(count)]
    Source(place, "dir", FEW)
    os.makedirs("/var/lib/lxc", exist_ok=True)
    Source(Path("/var/lib/lxc"), "dir", FEW)
    said = {"name": names, "clone_from": "source", "clone_snapshot": True, "state": "present", "lxc_path": str(place)}
    cloned = {"name": "source", "clone_name": "{{ item }}", "clone_snapshot": True, "backing_store": "overlayfs", "state": "stopped"}
    loop = {"community.general.lxc_container": cloned, "loop": names}

    def ours() -> list[float]:
        sample = tasks([{"hostkit.lxc.lxc_container": said}])
        for name in names:
            destroy.destroy(paths.container(name, str(place)))
        return sample

    def theirs() -> list[float]:
        sample = tasks([loop], interpreter="/usr/bin/python3", ansible=peer_ansible)
        for name in names:
            run("lxc-destroy", "-n", name)
        return sample

    take_turns(row, rounds, ours, theirs)
    run("lxc-destroy", "-n", "source")
    return [row]
