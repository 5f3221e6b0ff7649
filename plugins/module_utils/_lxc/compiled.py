# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that runs from Ansible's zip takes its bytecode from the host's copy of the runtime (runtime.py), where that is the very same.

The zip has none, so that whatever a task imports would be compiled anew. Whether both are the same is told by the zip's directory,
which Python has read: names, sizes and checksums. Only root can write to the copy; that its content is whole was seen when it was made.
"""

from __future__ import annotations

import os
import stat
import sys
import zipimport
from collections.abc import Mapping

RUN = "/run/hostkit-lxc"


def mark(contents: Mapping[str, tuple[int, int]]) -> str:
    """A name for these files, by their sizes and CRC-32."""
    import hashlib  # only for a module

    lines = [f"{name} {size} {crc}\n" for name, (size, crc) in sorted(contents.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def take(run: str = RUN) -> bool:
    """Put the copy in front of the package's other place. Anything that is not as expected leaves all as it was."""
    package = sys.modules[__name__.rpartition(".")[0]]  # Python 3.9 sets __package__ only afterwards
    archive = getattr(package.__spec__.loader, "archive", "") if package.__spec__ else ""
    if not archive:
        return False
    try:
        link = f"{run}/compiled-{mark(_in_zip(archive, package.__path__[0]))}"
        directory = f"{run}/{os.path.basename(os.readlink(link))}"
        if not all(_is_ours(path) for path in (run, directory, f"{directory}/_lxc")):
            return False
    except (OSError, LookupError):
        return False
    package.__path__.insert(0, f"{directory}/_lxc")
    sys.dont_write_bytecode = True  # what is there was compiled by whoever made it
    return True


def _in_zip(archive: str, place: str) -> dict[str, tuple[int, int]]:
    """What zipimport knows: an entry's fourth value is its size, the last its checksum."""
    prefix = place[len(archive) + 1 :] + "/"
    known = getattr(zipimport, "_zip_directory_cache", {})[archive]
    return {name[len(prefix) :]: (entry[3], entry[7]) for name, entry in known.items() if name.startswith(prefix) and name.endswith(".py")}


def _is_ours(path: str) -> bool:
    found = os.lstat(path)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


TAKEN = take()
