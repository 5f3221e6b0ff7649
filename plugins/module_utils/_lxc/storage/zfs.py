# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root is a dataset: `zfs:POOL/NAME`, in LXC 1.0 the directory that it is mounted on. Copied by a snapshot and a clone of that.

Needs the program zfs, and to be mounted only the kernel's module. A clone needs its origin's snapshot; which of the two has that can be
changed (`zfs promote`), so that a dataset can go whose clones stay.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Optional

from ..errors import BadValue, InUse, Unsupported
from ..kernel import mount, zfs
from ..paths import Container
from ..rollback import Rollback
from . import naming
from . import size as sizes
from .base import Copied
from .volume import Volume, fs_options, unmount_left, wait_for_orphans

ROOT = "lxc"  # as LXC's
OPTIONS = ("size", "zfs_root")
# Nothing but a container mounts it; what a file carries is kept, and beside its inode.
_PROPERTIES = {"canmount": "noauto", "xattr": "sa", "acltype": "posixacl"}


class Zfs(Volume):
    kind = "zfs"
    atomic = True

    def __init__(self, rootfs_path: str) -> None:
        self.rootfs_path = rootfs_path
        self.dataset = rootfs_path.removeprefix("zfs:")
        if self.dataset.startswith("/"):
            self.dataset = mounted_on(self.dataset)
        try:
            naming.dataset("lxc.rootfs.path", self.dataset)
        except BadValue:
            raise BadValue("lxc.rootfs.path", rootfs_path, "zfs: with the name of a dataset, POOL/NAME") from None

    @classmethod
    def detect(cls, rootfs_path: str) -> bool:
        return rootfs_path.startswith("zfs:") or (rootfs_path.startswith("/") and mounted_on(rootfs_path) != "")

    @classmethod
    def place(cls, container: Container, options: Mapping[str, object]) -> str:
        """`size`: what its files may take together; `zfs_root` (lxc): the dataset that it is made below."""
        unknown = sorted(set(options) - set(OPTIONS))
        if unknown:
            raise BadValue("backing_store", "zfs", f"a backing store that takes {', '.join(unknown)}")
        naming.check(options)
        if "size" in options:
            sizes.parse(options["size"])
        check_host()
        root = str(options.get("zfs_root", ROOT))
        if not zfs.exists(root):
            hint = "Where nothing is said it is lxc.bdev.zfs.root of /etc/lxc/lxc.conf, or lxc"
            raise BadValue("zfs_root", root, "a dataset of this host, in a pool that is imported", hint)
        return cls._named(container, root).rootfs_path

    @classmethod
    def _named(cls, container: Container, root: str) -> Zfs:
        """A new one; InUse where there is one of that name, but for what a killed task has left: that goes before."""
        naming.dataset("name", f"{root}/{naming.of(container)}")
        name = naming.free(container, f"{root}/{naming.of(container)}", zfs.exists)
        is_left = os.path.lexists(container.partial) and zfs.value(name, zfs.OWNER) == container.directory
        if not is_left and zfs.exists(name):
            raise InUse(f"Dataset {name} exists already", hint="Remove it, or say another zfs_root")
        return cls(f"zfs:{name}")

    @classmethod
    def create(cls, container: Container, options: Mapping[str, object]) -> str:
        one = cls(cls.place(container, options))
        zfs.create(one.dataset, {**_properties(container), **_quota(sizes.parse(options["size"]) if "size" in options else None)})
        return one.rootfs_path

    def is_made_for(self, container: Container) -> bool:
        """Whether it was made for this container by who was killed, and not by somebody else since, or not at all yet."""
        check_host()
        wait_for_orphans(f"{zfs.OWNER}={container.directory}")
        wait_for_orphans(f"{zfs.PURPOSE}={self.dataset}")
        return zfs.value(self.dataset, zfs.OWNER) == container.directory or not zfs.exists(self.dataset)

    def users(self) -> list[str]:
        """The `lxc.rootfs.path` of those that are made from its snapshots."""
        check_host()
        return [f"zfs:{one}" for clones in zfs.snapshots(self.dataset).values() for one in clones]

    def destroy(self) -> None:
        """Those that are made from it stay, with what they share."""
        check_host()
        if zfs.exists(self.dataset):
            unmount_left(lambda source: source == self.dataset)
            self._hand_over()
            origin = zfs.value(self.dataset, "origin")
            zfs.destroy(self.dataset, "-r")
            if origin.endswith(f"@{os.path.basename(self.dataset)}") and not zfs.clones(origin):
                zfs.destroy(origin)  # as LXC calls what it was made from
        for left in zfs.taken_for(os.path.dirname(self.dataset) or self.dataset, self.dataset):
            zfs.destroy(left)

    def _hand_over(self) -> None:
        """To the clone of the latest snapshot, which gets those before that as well."""
        for clones in reversed(list(zfs.snapshots(self.dataset).values())):
            if clones:
                zfs.promote(clones[0])
                return

    def open_fs(self, attributes: int, data: str) -> int:
        """`zfsutil`: whatever mount point the dataset has of its own."""
        return mount.new_fs("zfs", {"zfsutil": None, **fs_options(data)}, attributes, self.dataset)

    def directory(self) -> str:
        return ""

    def open_root(self) -> int:
        return self.open_fs(mount.MOUNT_ATTR_RDONLY, "")

    def size(self) -> Optional[int]:
        check_host()
        text = zfs.value(self.dataset, "refquota")
        return int(text) if text.isdigit() and int(text) else None

    def resize(self, size: int) -> None:
        """Up or down, but not below what is there."""
        check_host()
        used = int(zfs.value(self.dataset, "referenced"))
        if size < used:
            raise BadValue("size", sizes.words(size), f"at least {used}, which the files in {self.dataset} have")
        zfs.set_value(self.dataset, "refquota", str(size))

    def place_options(self) -> dict[str, str]:
        """The options of `create` that say where it is."""
        return {"zfs_root": os.path.dirname(self.dataset)}

    def like(self) -> dict[str, object]:
        """The options that make another one as this is."""
        size = self.size()
        return {"zfs_root": os.path.dirname(self.dataset), **({} if size is None else {"size": size})}

    def snapshot_place(self, target: Container) -> str:
        """What `snapshot` will return."""
        check_host()
        if "/" not in self.dataset:
            raise Unsupported(f"Dataset {self.dataset} is a whole pool: a clone has no place beside it", hint="Make a full copy")
        return self._named(target, os.path.dirname(self.dataset)).rootfs_path

    def snapshot(self, target: Container) -> Copied:
        """The snapshot that it takes goes with its last clone, whoever removes that."""
        one = Zfs(self.snapshot_place(target))
        taken = f"{self.dataset}@{os.path.basename(one.dataset)}"
        if taken in zfs.taken_for(self.dataset, one.dataset):
            zfs.destroy(taken)  # of one that was killed
        with Rollback() as rollback:
            zfs.snapshot(taken, {zfs.PURPOSE: one.dataset})
            rollback.add(zfs.destroy, taken)
            zfs.clone(taken, one.dataset, {**_properties(target), **_quota(self.size())})
            rollback.keep()
        zfs.destroy(taken, "-d")
        return Copied(one.rootfs_path, depends=True)


def _properties(container: Container) -> dict[str, str]:
    return {"mountpoint": naming.home(container).rootfs, zfs.OWNER: container.directory, **_PROPERTIES}


def _quota(size: Optional[int]) -> dict[str, str]:
    return {} if size is None else {"refquota": str(size)}


def mounted_on(path: str) -> str:
    """The dataset that is mounted on this path; "" for none."""
    from ..kernel import mountinfo

    here = mountinfo.of_path(path)
    return here.source if here.fstype == "zfs" and here.target == os.path.realpath(path) else ""


def check_host() -> None:
    missing = zfs.missing()
    if missing:
        hint = "Install zfsutils-linux, as Debian calls it" if "program" in missing else "Install the module, or use another backing_store"
        raise Unsupported(f"This host has no ZFS: {missing}", hint=hint)


def check_module() -> None:
    """To be mounted a dataset needs no program."""
    if not mount.knows_fs("zfs"):
        raise Unsupported("This host's kernel has no zfs", hint="Load its module: modprobe zfs")
