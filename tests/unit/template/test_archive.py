# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile archives, one class each, and what an honest one keeps. Runs as any user: owners are this user's."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template import archive

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", link: str = "", mode: int = 0o644, **more: object) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = kind, link, mode, len(data)
    info.uid, info.gid, info.mtime = os.getuid(), os.getgid(), 1000000000
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def tarball(*members: Member) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    buffer.seek(0)
    return buffer


def directory(name: str, mode: int = 0o755) -> Member:
    return member(name, tarfile.DIRTYPE, mode=mode)


def symlink(name: str, target: str) -> Member:
    return member(name, tarfile.SYMTYPE, link=target)


def hard_link(name: str, target: str) -> Member:
    return member(name, tarfile.LNKTYPE, link=target)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """root/ to unpack into, beside a victim that must stay as it is."""
    (tmp_path / "root").mkdir()
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/file").write_text("host")
    return tmp_path


def host_of(place: Path) -> list[tuple[str, str]]:
    return sorted((str(path), path.read_text() if path.is_file() else "") for path in [place, *(place / "victim").rglob("*")])


CONFIG = member("config", data=b"lxc.uts.name = web\n")
HOSTILE: dict[str, Callable[[Path], list[Member]]] = {
    "dot dot": lambda place: [member("../victim/file", data=b"x")],
    "dot dot inside": lambda place: [member("a/../../victim/file", data=b"x")],
    "absolute": lambda place: [member(f"{place}/victim/file", data=b"x")],
    "absolute directory": lambda place: [directory(f"{place}/victim/new")],
    "symlink out": lambda place: [symlink("a/b", "../../victim")],
    "symlink out by a detour": lambda place: [symlink("b", "a/../../victim")],
    "symlink to nothing": lambda place: [symlink("b", "")],
    "hard link out": lambda place: [hard_link("b", "../victim/file")],
    "absolute hard link": lambda place: [hard_link("b", f"{place}/victim/file")],
    "hard link through a symlink": lambda place: [symlink("v", f"{place}/victim"), hard_link("b", "v/file")],
    "hard link to a directory": lambda place: [directory("a"), hard_link("b", "a")],
    "hard link to nothing": lambda place: [hard_link("b", "a")],
    "root is a symlink": lambda place: [symlink(".", f"{place}/victim"), member("file", data=b"x")],
    "root is a symlink, by another name": lambda place: [symlink("./", f"{place}/victim")],
    "root is a file": lambda place: [member("./", data=b"x")],
    "rootfs is a symlink": lambda place: [symlink("rootfs", f"{place}/victim"), member("rootfs/file", data=b"x")],
    "written through a symlink": lambda place: [symlink("v", f"{place}/victim"), member("v/file", data=b"x")],
    "directory through a symlink": lambda place: [symlink("v", f"{place}/victim"), directory("v/new")],
    "directory over a symlink": lambda place: [symlink("v", f"{place}/victim"), directory("v", 0o777)],
    "symlink through a symlink": lambda place: [symlink("v", f"{place}/victim"), symlink("v/new", "x")],
    "fifo through a symlink": lambda place: [symlink("v", f"{place}/victim"), member("v/new", tarfile.FIFOTYPE)],
    "file over a directory": lambda place: [directory("a"), member("a", data=b"x")],
    "character device": lambda place: [member("null", tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "block device": lambda place: [member("sda", tarfile.BLKTYPE, devmajor=8, devminor=0)],
    "unknown kind": lambda place: [member("z", b"Z")],
    "deep": lambda place: [member("a/" * 200 + "b")],
    "long": lambda place: [member("a" * 256)],
    "symlink out, in a container's archive": lambda place: [CONFIG, symlink("rootfs/a", "../victim")],
    "symlink to nothing, in a container's archive": lambda place: [CONFIG, symlink("rootfs/a", "")],
    "beside the root of a container's archive": lambda place: [CONFIG, member("victim", data=b"x")],
    "device in a container's archive": lambda place: [CONFIG, member("rootfs/null", tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "empty": lambda place: [],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_touches_nothing(name: str, place: Path) -> None:
    before = host_of(place)
    if name == "empty":
        stream = io.BytesIO()
        tarfile.open(fileobj=stream, mode="w").close()
        stream.seek(0)
    else:
        stream = tarball(*HOSTILE[name](place))
    with pytest.raises(StepError) as caught:
        archive.unpack(stream, str(place / "root"), "some.tar")
    assert "some.tar" in caught.value.message
    assert host_of(place) == before
    assert (place / "victim/file").stat().st_nlink == 1


def test_only_an_archive_that_is_trusted_has_links_that_climb(place: Path) -> None:
    trusted = tarball(CONFIG, directory("rootfs"), symlink("rootfs/up", "../../victim"), member("rootfs/file", data=b"x"))
    archive.unpack(trusted, str(place / "root"), "some.tar", devices=True)
    assert os.readlink(place / "root/up") == "../../victim" and (place / "root/file").read_text() == "x"
    with pytest.raises(StepError, match="leads out"):  # it is no container's
        archive.unpack(tarball(symlink("up", "../victim")), str(place / "root"), "some.tar", devices=True)


def test_an_entry_put_over_a_symlink_replaces_the_link_itself(place: Path) -> None:
    archive.unpack(tarball(symlink("v", f"{place}/victim/file"), member("v", data=b"new")), str(place / "root"), "t")
    assert (place / "victim/file").read_text() == "host"
    assert (place / "root/v").read_text() == "new" and not (place / "root/v").is_symlink()


def test_a_root_that_is_a_symlink_on_the_host_is_not_followed(place: Path) -> None:
    (place / "link").symlink_to(place / "victim")
    with pytest.raises(StepError):
        archive.unpack(tarball(member("file", data=b"x")), str(place / "link"), "t")
    assert (place / "victim/file").read_text() == "host"


def test_too_many_members(place: Path) -> None:
    stream = tarball(*[member(f"f{number}") for number in range(11)])
    with pytest.raises(StepError, match="More than 10 members"):
        archive.unpack(stream, str(place / "root"), "t", archive.LIMITS._replace(members=10))


def test_too_many_bytes(place: Path) -> None:
    stream = tarball(member("a", data=bytes(600)), member("b", data=bytes(600)))
    with pytest.raises(StepError, match="1000 bytes"):
        archive.unpack(stream, str(place / "root"), "t", archive.LIMITS._replace(size=1000))


def test_a_header_that_would_fill_the_memory(place: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 40
    with pytest.raises(StepError, match="header of"):
        archive.unpack(io.BytesIO(info.tobuf(tarfile.GNU_FORMAT)), str(place / "root"), "t")


def test_truncated_in_a_file(place: Path) -> None:
    data = tarball(member("a", data=bytes(range(256)) * 40)).getvalue()[:4096]
    with pytest.raises(StepError):
        archive.unpack(io.BytesIO(data), str(place / "root"), "t")


def test_no_tar_at_all(place: Path) -> None:
    with pytest.raises(StepError):
        archive.unpack(io.BytesIO(b"\x7fELF" * 1000), str(place / "root"), "t")


def test_what_an_honest_archive_keeps(place: Path) -> None:
    stream = tarball(
        directory("."),
        directory("bin", 0o750),
        member("bin/su", data=b"suid", mode=0o4755),
        hard_link("bin/su2", "./bin/su"),
        symlink("sh", "/bin/su"),
        symlink("bin/up", "../sh"),
        member("new/parent/file", data=b"x"),
        member("pipe", tarfile.FIFOTYPE, mode=0o600),
        member("holes", data=bytes(1 << 20)),
        directory("tmp", 0o1777),
    )
    report = archive.unpack(stream, str(place / "root"), "t")
    root = place / "root"
    assert report.members == 10 and report.size == (1 << 20) + 5
    assert stat.S_IMODE((root / "bin").stat().st_mode) == 0o750
    assert stat.S_IMODE((root / "bin/su").stat().st_mode) == 0o4755
    assert (root / "bin/su").stat().st_ino == (root / "bin/su2").stat().st_ino
    assert os.readlink(root / "sh") == "/bin/su" and os.readlink(root / "bin/up") == "../sh"
    assert (root / "new/parent/file").read_text() == "x"
    assert stat.S_ISFIFO((root / "pipe").stat().st_mode)
    assert (root / "holes").stat().st_size == 1 << 20 and (root / "holes").stat().st_blocks == 0
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert (root / "bin").stat().st_mtime == 1000000000 == (root / "bin/su").stat().st_mtime


def test_extended_attributes_that_are_kept() -> None:
    info = tarfile.TarInfo("ping")
    info.pax_headers = {
        "SCHILY.xattr.security.capability": "\x01\x00",
        "SCHILY.xattr.user.note": "mine",
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.security.selinux": "label",
        "comment": "x",
    }
    assert archive.attributes(info) == {"security.capability": b"\x01\x00", "user.note": b"mine"}
