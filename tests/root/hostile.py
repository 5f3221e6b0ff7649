# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A root that wishes us ill: what an interpreter or its C library could ask for lies there poisoned, and what is opened is seen."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc

# What an audit hook may see between the container's file system and the program.
HARMLESS = {"os.chdir", "os.fork", "os.exec", "os.chmod", "os.chown", "ctypes.get_errno", "ctypes.set_errno", "ctypes.addressof"}
_POISON = "open('/poisoned', 'w').close()\n"
_MODULES = "encodings/__init__ encodings/idna encodings/utf_8 encodings/latin_1 traceback linecache pwd ctypes/util".split()
_IN_OPEN, _IN_ISDIR = 0x20, 0x40000000


def poison(root: Path, more: Iterable[str] = ()) -> None:
    """Everything that this interpreter could ask for, at the same places inside: modules, codecs, catalogues, NSS."""
    for entry in {path for path in [*sys.path, *more] if path.startswith("/")}:
        for name in _MODULES:
            path = root / entry.lstrip("/") / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_POISON)
    for directory in ("lib", "usr/lib", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64"):
        (root / directory).mkdir(parents=True, exist_ok=True)
        (root / directory / "libnss_files.so.2").write_bytes(b"\x7fELF poison")
    (root / "etc/nsswitch.conf").write_text("passwd: poison\n")


class Watch:
    """Which files and directories below a root are opened, by whomever and in whatever mount namespace (inotify(7))."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.fd = libc.call("inotify instances", "inotify_init1", os.O_CLOEXEC | os.O_NONBLOCK)
        self._names: dict[int, str] = {}
        for base, _directories, _files in os.walk(root):
            number = libc.call(base, "inotify_add_watch", self.fd, os.fsencode(base), _IN_OPEN)
            self._names[number] = base
        self.opened()  # by the walk itself

    def opened(self) -> set[str]:
        """Since it was asked last; a directory ends in a slash."""
        return {path for path in self._read() if path}

    def _read(self) -> Iterator[str]:
        while True:
            try:
                data = os.read(self.fd, 1 << 16)
            except BlockingIOError:
                return
            while data:
                number, mask, _cookie, length = struct.unpack("iIII", data[:16])
                name = data[16 : 16 + length].rstrip(b"\0").decode()
                data = data[16 + length :]
                path = os.path.relpath(os.path.join(self._names[number], name), self.root)
                yield path.rstrip("/") + ("/" if mask & _IN_ISDIR else "")

    def close(self) -> None:
        os.close(self.fd)
