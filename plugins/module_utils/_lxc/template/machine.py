# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of Debian's architectures are there, and which of them this host can run: packages run programs while they are installed."""

from __future__ import annotations

import os
import platform

from ..errors import BadValue, Unsupported
from ..kernel import command

_BINFMT = "/proc/sys/fs/binfmt_misc"
# What the head of an ELF file says of a machine (elf(5)): 32 or 64 bits, little or big endian, and its number.
_ELF = {
    "amd64": (2, 1, 62), "arm64": (2, 1, 183), "armel": (1, 1, 40), "armhf": (1, 1, 40), "i386": (1, 1, 3), "mips64el": (2, 1, 8),
    "mipsel": (1, 1, 8), "ppc64el": (2, 1, 21), "riscv64": (2, 1, 243), "s390x": (2, 2, 22),
}  # fmt: skip
_ALSO = {("amd64", "i386"), ("arm64", "armhf"), ("arm64", "armel"), ("armhf", "armel")}
_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "i386", "armv7l": "armhf", "ppc64le": "ppc64el"}


def host() -> str:
    """In Debian's words. dpkg knows it on Debian; elsewhere it follows from the machine."""
    if command.which("dpkg"):
        result = command.run(["dpkg", "--print-architecture"])
        if result.rc == 0 and result.stdout.strip():
            return result.stdout.strip()
    return _NAMES.get(platform.machine(), platform.machine())


def check(arch: str) -> None:
    """BadValue for what is no architecture of Debian, Unsupported for one whose programs cannot run here."""
    own = host()
    if arch == own:
        return
    if arch not in _ELF:
        raise BadValue("template_options[arch]", arch, f"one of Debian's architectures: {', '.join(sorted({*_ELF, own}))}")
    if not _runs(own, arch):
        raise Unsupported(
            f"This host ({own}) cannot run the programs of arch {arch}, and no emulator for them is registered in {_BINFMT}",
            hint="Install qemu-user-static and binfmt-support",
        )


def _runs(own: str, arch: str) -> bool:
    """By trying, where Debian's arch-test is installed."""
    if command.which("arch-test"):
        return command.run(["arch-test", arch]).rc == 0
    return (own, arch) in _ALSO or registered(_ELF[arch])


def registered(elf: tuple[int, int, int], directory: str = _BINFMT) -> bool:
    """Whether the kernel hands such files to an emulator (the kernel's binfmt-misc.rst)."""
    names = os.listdir(directory) if os.path.isdir(directory) else []
    return any(_magic(f"{directory}/{name}") == elf for name in names if name not in ("register", "status"))


def _magic(path: str) -> tuple[int, int, int]:
    """The machine of the magic of an entry that is switched on."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            lines = file.read(65536).split("\n")
        magic = bytes.fromhex(next((line[len("magic ") :] for line in lines if line.startswith("magic ")), ""))
    except (OSError, ValueError):
        return 0, 0, 0
    if lines[0] != "enabled" or not magic.startswith(b"\x7fELF") or len(magic) < 20:
        return 0, 0, 0
    return magic[4], magic[5], int.from_bytes(magic[18:20], "little" if magic[5] == 1 else "big")
