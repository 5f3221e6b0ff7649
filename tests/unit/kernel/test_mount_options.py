# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, mount, mount_options


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", (0, 0, 0, "")),
        ("defaults", (0, 0, 0, "")),
        ("ro", (mount.MOUNT_ATTR_RDONLY, 0, 0, "")),
        ("rw,suid,dev,exec", (0, 0b1111, 0, "")),
        ("ro,nosuid,nodev,noexec", (0b1111, 0, 0, "")),
        ("ro,rw", (0, mount.MOUNT_ATTR_RDONLY, 0, "")),
        ("rw,ro", (mount.MOUNT_ATTR_RDONLY, 0, 0, "")),
        ("noatime", (mount.MOUNT_ATTR_NOATIME, mount.MOUNT_ATTR__ATIME, 0, "")),
        ("strictatime,relatime", (0, mount.MOUNT_ATTR__ATIME, 0, "")),
        ("noatime,atime", (0, mount.MOUNT_ATTR__ATIME, 0, "")),
        ("nodiratime", (mount.MOUNT_ATTR_NODIRATIME, 0, 0, "")),
        ("nosymfollow", (mount.MOUNT_ATTR_NOSYMFOLLOW, 0, 0, "")),
        ("bind,ro", (mount.MOUNT_ATTR_RDONLY, 0, 0, "")),
        ("rbind,remount", (0, 0, 0, "")),
        ("shared", (0, 0, libc.MS_SHARED, "")),
        ("rslave", (0, 0, libc.MS_SLAVE, "")),
        ("private,runbindable", (0, 0, libc.MS_UNBINDABLE, "")),
        ("rprivate", (0, 0, libc.MS_PRIVATE, "")),
        ("size=1m,ro,mode=0755", (mount.MOUNT_ATTR_RDONLY, 0, 0, "size=1m,mode=0755")),
        ("sync,dirsync,lazytime,mand,async", (0, 0, 0, "sync,dirsync,lazytime,mand,async")),
        (",ro,,", (mount.MOUNT_ATTR_RDONLY, 0, 0, "")),
        ("rshard,norw", (0, 0, 0, "rshard,norw")),
    ],
)
def test_parse_options(options: str, expected: tuple[int, int, int, str]) -> None:
    assert mount.parse_options(options) == expected


@pytest.mark.parametrize("word", [*mount_options._ATTRIBUTES, *mount_options._PROPAGATION, "rshared", "rprivate", "rslave", "runbindable"])
def test_every_word_is_kept_from_the_data(word: str) -> None:
    assert mount.parse_options(f"{word},x=1")[3] == "x=1"


def test_words_of_the_whole_file_system() -> None:
    assert mount_options.split_superblock("sync,size=1m,dirsync,mand") == (
        libc.MS_SYNCHRONOUS | libc.MS_DIRSYNC | libc.MS_MANDLOCK,
        "size=1m",
    )
    assert mount_options.split_superblock("sync,async,lazytime") == (libc.MS_LAZYTIME, "")


@pytest.mark.parametrize(
    ("attributes", "flags"),
    [
        (0, libc.MS_RELATIME),
        (0b1111, 0b1111 | libc.MS_RELATIME),
        (mount.MOUNT_ATTR_NOATIME | mount.MOUNT_ATTR_NODIRATIME, libc.MS_NOATIME | libc.MS_NODIRATIME),
        (mount.MOUNT_ATTR_STRICTATIME, libc.MS_STRICTATIME),
        (mount.MOUNT_ATTR_NOSYMFOLLOW, libc.MS_NOSYMFOLLOW | libc.MS_RELATIME),
    ],
)
def test_attributes_as_flags_of_mount(attributes: int, flags: int) -> None:
    assert mount_options.as_flags(attributes) == flags


@pytest.mark.parametrize(
    ("seen", "attributes"),
    [
        (4096 | 1 | 8, mount.MOUNT_ATTR_RDONLY | mount.MOUNT_ATTR_NOEXEC),
        (1024 | 2048, mount.MOUNT_ATTR_NOATIME | mount.MOUNT_ATTR_NODIRATIME),
        (2, mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_STRICTATIME),
        (8192 | 4096, mount.MOUNT_ATTR_NOSYMFOLLOW),
    ],
)
def test_what_statvfs_shows(seen: int, attributes: int) -> None:
    assert mount_options.from_statvfs(seen) == attributes
