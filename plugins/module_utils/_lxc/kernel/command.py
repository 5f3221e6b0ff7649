# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the host, run without a shell: the only place that imports subprocess."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Optional

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Result(NamedTuple):
    """How it ended: the exit status (-N for signal N), and what it wrote, as text."""

    rc: int
    stdout: str
    stderr: str


def which(name: str) -> Optional[str]:
    """Where a program is, looked for in the system's directories whatever the caller's PATH says."""
    return shutil.which(name, path=_PATH)


def run(
    argv: Sequence[str],
    *,
    stdin: Optional[bytes] = None,
    env: Optional[Mapping[str, str]] = None,
    cwd: Optional[str] = None,
    timeout: Optional[float] = None,
    on_line: Optional[Callable[[str], None]] = None,
) -> Result:
    """Run it to its end, in the C locale. `on_line` is given each line of output and of errors as it comes.

    `timeout` seconds later the program and what it started are killed, which shows as status -9.
    Raises OSError when it cannot be started.
    """
    environment = {"PATH": _PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", **(env or {})}
    process = subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=cwd,
        start_new_session=True,
    )
    timer = threading.Timer(timeout, _kill_group, [process.pid]) if timeout is not None else None
    try:
        if timer:
            timer.start()
        stdout, stderr = _follow(process, stdin, on_line) if on_line else process.communicate(stdin)
    except BaseException:
        _kill_group(process.pid)
        process.wait()
        raise
    finally:
        if timer:
            timer.cancel()
    return Result(process.returncode, stdout.decode("utf-8", "surrogateescape"), stderr.decode("utf-8", "surrogateescape"))


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _follow(process: subprocess.Popen[bytes], stdin: Optional[bytes], on_line: Callable[[str], None]) -> tuple[bytes, bytes]:
    """Read both streams as they come, each in a thread of its own."""
    chunks: dict[str, list[bytes]] = {"stdout": [], "stderr": []}

    def read(name: str) -> None:
        for line in getattr(process, name):
            chunks[name].append(line)
            on_line(line.decode("utf-8", "backslashreplace").rstrip("\r\n"))

    threads = [threading.Thread(target=read, args=[name], daemon=True) for name in chunks]
    for thread in threads:
        thread.start()
    if process.stdin is not None:
        process.stdin.write(stdin or b"")
        process.stdin.close()
    for thread in threads:
        thread.join()
    process.wait()
    return b"".join(chunks["stdout"]), b"".join(chunks["stderr"])
