# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root is a file system in a logical volume: `lvm:/dev/GROUP/VOLUME`, in LXC 1.0 without the prefix. Thin where it lies in a thin pool.

Needs the programs of LVM2, mkfs at creation, and to be mounted none of them. A snapshot of a thin volume stands for itself; another is no
more than what has changed since, goes with its origin, and has no snapshot of its own.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from .. import digest
from ..errors import BadValue, InUse, StepError, Unsupported
from ..kernel import lvm, mount
from ..paths import Container
from ..rollback import Rollback
from . import naming
from . import size as sizes
from .base import Copied
from .volume import Volume, fs_options, fs_type, unmount_left, wait_for_orphans

SIZE = 1 << 30  # as LXC's
FS_TYPE = "ext4"
GROUP = POOL = "lxc"  # LXC's too; of the pool only where it is there
OPTIONS = ("size", "fs_type", "vg_name", "lv_name", "thinpool")


class Lvm(Volume):
    kind = "lvm"
    atomic = True

    def __init__(self, rootfs_path: str) -> None:
        self.rootfs_path = rootfs_path
        self.path = rootfs_path.removeprefix("lvm:")
        if not self.path.startswith("/dev/"):
            raise BadValue("lxc.rootfs.path", rootfs_path, "lvm: with the path of a device, /dev/GROUP/VOLUME")

    @classmethod
    def detect(cls, rootfs_path: str) -> bool:
        return rootfs_path.startswith(("lvm:/dev/", "/dev/"))

    @classmethod
    def place(cls, container: Container, options: Mapping[str, object]) -> str:
        """`size` (1 GiB), `fs_type` (ext4), `vg_name` (lxc), `lv_name` (the container's), `thinpool` (lxc, if there is one)."""
        return cls._plan(container, options)[0].rootfs_path

    @classmethod
    def _plan(cls, container: Container, options: Mapping[str, object]) -> tuple[Lvm, str]:
        """The volume that will be, and the thin pool for it; "" for none."""
        from . import mkfs

        unknown = sorted(set(options) - set(OPTIONS))
        if unknown:
            raise BadValue("backing_store", "lvm", f"a backing store that takes {', '.join(unknown)}")
        naming.check(options)
        size = sizes.parse(options.get("size", SIZE))
        mkfs.check(str(options.get("fs_type", FS_TYPE)), size)
        check_host()
        group = _group(str(options.get("vg_name", GROUP)))
        there = lvm.volumes(group.name)
        pool = _pool(options, group, there)
        one = cls._named(container, group.name, str(options.get("lv_name") or naming.of(container)), there)
        if not pool:
            left = sum(volume.size for volume in there if volume.name == one.name and not volume.pool)
            _check_room(group._replace(free=group.free + left), one.name, size)
        return one, pool

    @classmethod
    def _named(cls, container: Container, group: str, wanted: str, there: list[lvm.Volume]) -> Lvm:
        """A new one; InUse where there is one of that name, but for what a killed task has left: that goes before."""
        taken = {volume.name for volume in there if not cls._is_left(volume, container)}
        name = naming.free(container, naming.lvm("lv_name", wanted), taken.__contains__)
        if name in taken:
            raise InUse(f"Logical volume {name} exists in {group} already", hint="Say another lv_name, or remove it")
        return cls(f"lvm:/dev/{group}/{name}")

    @classmethod
    def _is_left(cls, volume: lvm.Volume, container: Container) -> bool:
        return cls.tag(container) in volume.tags and os.path.lexists(container.partial)

    @classmethod
    def create(cls, container: Container, options: Mapping[str, object]) -> str:
        from . import mkfs

        one, pool = cls._plan(container, options)
        size = sizes.parse(options.get("size", SIZE))
        with Rollback() as rollback:
            lvm.create(one.group, one.name, size, pool, cls.tag(container))
            rollback.add(one.destroy)
            mkfs.fill(one.path, str(options.get("fs_type", FS_TYPE)))
            rollback.keep()
        return one.rootfs_path

    @property
    def group(self) -> str:
        return self._names()[0]

    @property
    def name(self) -> str:
        return self._names()[1]

    def _names(self) -> tuple[str, str]:
        """As the path has them, be it that of a link in /dev/GROUP or of the device mapper's; else as LVM knows the device."""
        words = self.path.split("/")[2:]
        if len(words) == 2 and words[0] == "mapper":
            group, dash, name = words[1].replace("--", "/").partition("-")
            return (group.replace("/", "-"), name.replace("/", "-")) if dash else ("", "")
        if len(words) == 2:
            return words[0], words[1]
        found = lvm.of_device(self.path)
        return (found.group, found.name) if found else ("", "")

    def volume(self) -> lvm.Volume | None:
        """What LVM knows of it; None where it is gone. Unsupported where nobody can be asked, or it is another device."""
        check_host()
        group, name = self._names()
        found = next((one for one in lvm.volumes(group) if one.name == name), None) if group else None
        if found is None and os.path.exists(self.path):
            raise Unsupported(f"{self.path} is no logical volume", hint="A device of another kind is nothing that is made or removed here")
        return found

    @staticmethod
    def tag(container: Container) -> str:
        """For whom it is made: a tag has no blank, and not every sign of a path."""
        return f"hostkit.lxc={digest.of(container.directory)[:16]}"

    def is_thin(self) -> bool:
        found = self.volume()
        return found is not None and found.pool != ""

    def is_made_for(self, container: Container) -> bool:
        """Whether it was made for this container by who was killed, and not by somebody else since. Its lvcreate is waited for."""
        wait_for_orphans(self.tag(container))
        found = self.volume()
        return found is not None and self.tag(container) in found.tags

    def users(self) -> list[str]:
        """The `lxc.rootfs.path` of those that go when it goes."""
        found = self.volume()
        there = lvm.volumes(found.group) if found else []
        return [f"lvm:/dev/{one.group}/{one.name}" for one in there if found and one.needs_origin and one.origin == found.name]

    def destroy(self) -> None:
        if self.volume() is None:
            return
        unmount_left(lambda source: os.path.realpath(source) == os.path.realpath(self.path))
        users = self.users()
        if users:
            raise InUse(f"Logical volume {self.path} cannot be removed: {', '.join(users)} would go with it")
        try:
            lvm.remove(self.group, self.name)
        except StepError:
            if self.volume() is not None:  # else one that goes on from a task that was killed has removed it
                raise

    def activate(self) -> None:
        """Its device is there afterwards, whether or not it was."""
        if os.path.exists(self.path):
            return
        if self.volume() is None:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        lvm.activate(self.group, self.name)

    def open_fs(self, attributes: int, data: str) -> int:
        """Two of one UUID, as a snapshot and its origin are, xfs does not take without `nouuid`."""
        device_fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            kind = fs_type(device_fd, self.path)
        finally:
            os.close(device_fd)
        options = {"nouuid": None, **fs_options(data)} if kind == "xfs" else fs_options(data)
        return mount.new_fs(kind, options, attributes, self.path)

    def directory(self) -> str:
        return ""

    def open_root(self) -> int:
        """Where a frozen container has it mounted, the file system itself stays as that one has it."""
        self.activate()
        try:
            return self.open_fs(mount.MOUNT_ATTR_RDONLY, "")
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
        tree_fd = self.open_fs(0, "")
        mount.set_attr(tree_fd, set=mount.MOUNT_ATTR_RDONLY)
        return tree_fd

    def size(self) -> int:
        self.activate()
        number = os.stat(self.path).st_rdev
        with open(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/size", encoding="ascii") as file:
            return int(file.read()) * 512

    def rounded(self, size: int) -> int:
        """What a volume of so many bytes has: whole extents."""
        extent = _group(self.group).extent
        return -(-size // extent) * extent

    def resize(self, size: int) -> None:
        """Grow the volume and the file system in it, mounted or not."""
        from . import grow

        before, size = self.size(), self.rounded(size)
        if size < before:
            expected = f"at least {sizes.words(before)}, which {self.path} has: the file system in a volume does not shrink"
            raise BadValue("size", sizes.words(size), expected)
        if size > before:
            self._check_growing(size - before)
            grow.volume(self._names(), before, size, lambda: self.open_fs(0, ""))

    def _check_growing(self, more: int) -> None:
        volume = self.volume()
        if volume and volume.needs_origin:
            text = f"Logical volume {self.path} is a snapshot of {volume.origin}, and as large as that is"
            raise Unsupported(text, hint="Make a full copy of the container: that one can grow")
        users = self.users()
        if users:
            raise InUse(f"Logical volume {self.path} cannot grow while {', '.join(users)} are snapshots of it")
        if volume and not volume.pool:
            _check_room(_group(volume.group), volume.name, more)

    def place_options(self) -> dict[str, str]:
        """The options of `create` that say where it is."""
        return {"vg_name": self.group, "lv_name": self.name}

    def like(self) -> dict[str, object]:
        """The options that make another one as this is."""
        volume = self.volume()
        return {"size": self.size(), "vg_name": self.group, "thinpool": volume.pool if volume else ""}

    def snapshot_place(self, target: Container) -> str:
        """What `snapshot` will return."""
        return self._snapshot_plan(target)[1].rootfs_path

    def _snapshot_plan(self, target: Container) -> tuple[lvm.Volume, Lvm]:
        volume = self.volume()
        if volume is None:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        if volume.needs_origin:
            text = f"Logical volume {self.path} is a snapshot of {volume.origin} itself, and LVM makes none of such a one"
            raise Unsupported(text, hint="Make a full copy, or use a thin pool")
        self._check_fs()
        if not volume.pool:
            _check_room(_group(volume.group), naming.of(target), volume.size)
        return volume, self._named(target, volume.group, naming.of(target), lvm.volumes(volume.group))

    def _check_fs(self) -> None:
        self.activate()
        device_fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if fs_type(device_fd, self.path) == "btrfs":  # the kernel takes the two for one, and mixes them up
                raise Unsupported(f"The btrfs in {self.path} cannot have a second copy on this host", hint="Make a full copy")
        finally:
            os.close(device_fd)

    def snapshot(self, target: Container) -> Copied:
        volume, one = self._snapshot_plan(target)
        lvm.snapshot(volume, one.name, self.tag(target))
        return Copied(one.rootfs_path, depends=not volume.pool)


def check_host() -> None:
    missing = lvm.missing()
    if missing:
        hint = "Install lvm2, as Debian calls it" if "no lv" in missing or "no vg" in missing else "Use another backing_store"
        raise Unsupported(f"This host has no logical volumes: {missing}", hint=hint)


def _group(name: str) -> lvm.Group:
    found = lvm.group(name)
    if found is None:
        hint = "Where nothing is said it is lxc.bdev.lvm.vg of /etc/lxc/lxc.conf, or lxc"
        raise BadValue("vg_name", name, "a volume group of this host", hint)
    return found


def _pool(options: Mapping[str, object], group: lvm.Group, there: list[lvm.Volume]) -> str:
    pools = [one.name for one in there if one.is_pool]
    if "thinpool" not in options:
        return POOL if POOL in pools else ""
    if options["thinpool"] == "":  # none, be there one or not
        return ""
    if options["thinpool"] not in pools:
        raise BadValue("thinpool", options["thinpool"], f"a thin pool in {group.name}, which has {', '.join(pools) or 'none'}")
    return str(options["thinpool"])


def _check_room(group: lvm.Group, name: str, size: int) -> None:
    if size > group.free:
        text = f"{sizes.words(size)} are needed, and the volume group has {sizes.words(group.free)} free"
        raise StepError("storage", "Make", f"{group.name}/{name}", errno.ENOSPC, text=text)
