# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's log file, in LXC's line format, and the last lines of it for error messages.

Levels are LXC's (lxc(7), -l): TRACE 0 … FATAL 8; the default is ERROR. The file is 0640 and never followed through a link.
"""

from __future__ import annotations

import os
import stat
import time
from collections import deque

from ..errors import BadValue
from ..paths import LOG

LEVELS = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "CRIT", "ALERT", "FATAL")
_KEPT = 50
_LONGEST = 500  # so that an error with its last lines fits into one message


def level_number(value: str, option: str = "log_level") -> int:
    """0 to 8 from a name in any case, a number, or LXC's longer names (`critical`)."""
    word = value.strip().upper()
    if word in ("", "CRITICAL"):
        return LEVELS.index("ERROR") if not word else LEVELS.index("CRIT")
    if word in LEVELS:
        return LEVELS.index(word)
    if word.isdecimal() and int(word) < len(LEVELS):
        return int(word)
    raise BadValue(option, value, f"one of {' '.join(LEVELS)}, or 0 to 8")


def check_file(path: str, option: str = "log_file") -> None:
    """Raise BadValue for what no line could be added to. Nothing is made: a task that does nothing has nothing to say."""
    if not path.startswith("/") or "\n" in path or "\0" in path:
        raise BadValue(option, path, "the absolute path of a file")
    try:
        mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISCHR(mode):  # a FIFO would make us wait for its reader
            raise BadValue(option, path, f"a plain file, and it is {_kind(mode)}")
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC))
    except FileNotFoundError:
        _check_directory(path, option)
    except OSError as error:
        raise BadValue(option, path, f"a file that can be written ({error.strerror})") from error


def _check_directory(path: str, option: str) -> None:
    directory = os.path.dirname(path)
    if not os.path.isdir(directory) and directory != LOG:
        raise BadValue(option, path, f"a file in a directory that exists, and {directory} does not", f"Make {directory} before")
    if os.path.isdir(directory) and not os.access(directory, os.W_OK | os.X_OK):
        raise BadValue(option, path, f"a file in a directory that can be written to, and {directory} cannot")


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a directory"), (stat.S_ISLNK, "a symbolic link"), (stat.S_ISFIFO, "a FIFO"))
    return next((words for is_one, words in kinds if is_one(mode)), "a socket or a block device")


class Log:
    """Writes what is at or above `level` to `path`, and keeps the last lines of everything.

    `said` tells whether path and level were asked for, and so go before what the config says. `problem` is why the last line
    is not in the file.
    """

    def __init__(self, name: str, path: str, level: int, said: tuple[bool, bool] = (False, False)) -> None:
        self.name = name
        self.said = said
        self.path = path
        self.level = level
        self.last: deque[str] = deque(maxlen=_KEPT)
        self.held: list[tuple[str, str]] | None = None
        self.problem = ""

    def write(self, level: str, text: str) -> None:
        """One entry a line. A file that cannot be written (full disk, missing directory) must not stop a container."""
        for line in text.splitlines():
            line = line[:_LONGEST]
            self.last.append(f"{level}: {line}")
            if self.held is not None:
                self.held = [*self.held, (level, line)][-_KEPT:]
            elif LEVELS.index(level) >= self.level:
                self._append(f"hostkit-lxc {self.name} {_stamp()} {level:<8} {line}\n")

    def obey(self, path: str, level: str) -> None:
        """What the config says of the log (`lxc.log.file`, `lxc.log.level`), where something is said, and not by the request too."""
        if path and not self.said[0]:
            self.path = path
        if level and not self.said[1]:
            self.level = level_number(level, "lxc.log.level")

    def hold(self) -> None:
        """From now on keep entries back: the path would lead into the container's own files."""
        self.held = []

    def put_off(self) -> list[tuple[str, str]]:
        """(level, line) of what was kept back, for somebody else to write."""
        return self.held or []

    def _append(self, line: str) -> None:
        try:
            if os.path.dirname(self.path) == LOG:  # no other: a container's directory that was removed must not come back
                os.makedirs(LOG, 0o755, exist_ok=True)
            log_fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        except OSError as error:
            self.problem = error.strerror or str(error)
            return
        try:
            os.write(log_fd, line.encode("utf-8", "surrogateescape"))
        except OSError as error:
            self.problem = error.strerror or str(error)
        finally:
            os.close(log_fd)


def _stamp() -> str:
    now = time.time()
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}"
