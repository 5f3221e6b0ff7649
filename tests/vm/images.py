# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that the virtual machines boot, kept outside of the checkout under the content of what they are made from.

HOSTKIT_VM_CACHE names another place than $XDG_CACHE_HOME/hostkit-lxc/vm.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITES = ("bookworm", "trixie")
KINDS = ("plain", "zfs")
# What an image is made from: these files' content. The template's cache is in it, and that depends on the template.
RECIPE = ("tests/vm/image.sh", "tests/vm/initrd.sh", "tests/vm/zfs.sh", "plugins/module_utils/_lxc/template")
# Seconds, and then its packages are old, and the template's cache in it too, which is good for a week.
AGE = 6 * 86400


class VmError(Exception):
    """What could not be done with an image or a machine."""


def cache() -> Path:
    """Where images and saved states are."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = Path(os.environ.get("HOSTKIT_VM_CACHE") or os.path.join(base, "hostkit-lxc", "vm"))
    path.mkdir(parents=True, exist_ok=True)
    return path


def digest(*parts: bytes) -> str:
    """A short name for these parts."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def _recipe() -> Iterator[bytes]:
    for name in RECIPE:
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield file.read_bytes()


@contextlib.contextmanager
def locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[int]:
    """Hold a lock: two that would make the same thing take turns. Gives the descriptor, which whoever inherits it holds on to."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield descriptor
    finally:
        os.close(descriptor)


class Image:
    """A directory with the files `kernel`, `initrd`, `root.qcow2`, `key` (of root and of the user admin) and `key.pub`."""

    def __init__(self, suite: str = "bookworm", kind: str = "plain") -> None:
        for value, known, what in ((suite, SUITES, "suite"), (kind, KINDS, "kind")):
            if value not in known:
                raise VmError(f"there is no {what} {value!r} of images, but {' and '.join(known)}")
        self.suite, self.kind = suite, kind
        self.directory = cache() / f"{suite}-{kind}-{digest(*_recipe())}"
        self.lock = self.directory.with_suffix(".lock")

    def ready(self) -> bool:
        """Built, and not too old."""
        try:
            age = time.time() - (self.directory / "root.qcow2").stat().st_mtime
        except OSError:
            return False
        return 0 <= age < AGE

    def ensure(self) -> None:
        """Build it where it is not there; others of its suite and kind are removed, unless a machine runs from one.

        Raises VmError: it cannot be built; the script has said why.
        """
        with locked(self.directory.with_suffix(".build")):
            self._prune()
            if self.ready():
                return
            print(f"Building the image {self.directory.name}", file=sys.stderr, flush=True)
            began = time.monotonic()
            work = self.directory.with_suffix(".new")
            done = subprocess.run(
                [str(ROOT / "tests/vm/image.sh"), self.suite, self.kind, str(work)], stdin=subprocess.DEVNULL, check=False
            )
            if done.returncode:
                raise VmError(f"the image {self.suite} ({self.kind}) could not be built; {work}/log has the rest")
            shutil.rmtree(self.directory, ignore_errors=True)
            work.rename(self.directory)
            print(f"The image took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    def _prune(self) -> None:
        """What no machine runs from and nobody builds: images of other recipes, and what is left of a build that was ended."""
        for old in cache().glob(f"{self.suite}-{self.kind}-*"):
            if not old.is_dir() or (old == self.directory and self.ready()):
                continue
            held = old.with_suffix(".build" if old.suffix else ".lock")
            if old.stem == self.directory.name:
                shutil.rmtree(old) if old.suffix else None  # ours: we hold its lock
                continue
            with contextlib.suppress(BlockingIOError), locked(held, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(old)
                held.unlink()
