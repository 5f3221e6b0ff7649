# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime on the host: `_lxc` written out once, and one monitor that runs from that copy (`daemon.py` begins it).

A module's own code goes away with the module (it runs from a zip that Ansible deletes); what outlives it must be a file.
The copy is named by the hash of its content, below a directory that only root can enter, and verified before use.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pkgutil
import stat
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Optional

from . import compiled, paths
from .errors import InUse, LxcError, StepError, TimedOut
from .wire import host, presence

COLLECTION_VERSION = "0.1.0"
_REPLACE_TIMEOUT = 60.0
_ATTEMPTS = 5


class Started(NamedTuple):
    """What a start came to. No error: it runs; `was_up` when somebody else had started it, or was about to."""

    container: paths.Container
    error: Optional[LxcError] = None
    warnings: Sequence[str] = ()
    was_up: bool = False


def start(containers: Sequence[paths.Container], timeout: float = 600, log_file: str = "", log_level: str = "") -> list[Started]:
    """Start them all by one request; what came of each, in the order asked for.

    `timeout` is the seconds that one start may take from its turn on. Raises LxcError when there is no monitor to be had.
    """
    body = {"containers": [list(container) for container in containers], "timeout": timeout, "log_file": log_file, "log_level": log_level}
    answer = _ask_to_start(body, timeout * len(containers) + 10)
    by_key = {(result["lxc_path"], result["name"]): result for result in answer["results"]}
    results = []
    for container in containers:
        result = by_key[container.lxc_path, container.name]
        was_up = bool(result.get("was_up")) and not answer["repeated"]  # an older monitor does not say
        results.append(Started(container, _restored(container, result["error"]), result["warnings"], was_up))
    return results


def _restored(container: paths.Container, described: object) -> Optional[LxcError]:
    """Who has the name of a container's socket and does not answer is looked for here: the monitor has no time for that."""
    error = host.restore(described) if described else None
    if isinstance(error, host.NameTaken):
        from .kernel import bound
        from .wire import protocol

        holder = bound.holder(protocol.address(*container))
        return InUse(f"{error.message}: {holder} has it" if holder else error.message, error.hint)
    return error


def _ask_to_start(body: dict[str, Any], timeout: float) -> dict[str, Any]:
    """At once, since there mostly is a monitor. One that has ended just now, or is or was replaced, is asked for again: what runs
    already is only told so by the next. `repeated`: that may be by our own first request."""
    repeated = False
    for _attempt in range(_ATTEMPTS):
        try:
            return {**host.request("start", {**body, "collection": COLLECTION_VERSION}, timeout=timeout), "repeated": repeated}
        except (host.NoMonitor, host.Gone, host.Outdated) as error:
            gone = error
            repeated = repeated or isinstance(error, host.Gone)
            ensure_monitor()
    raise gone


def ensure_monitor() -> dict[str, Any]:
    """The facts of the running monitor, which is of our version or newer; starts one where there is none. Two tasks at once start one."""
    facts = _ensure()
    if not host.is_newer(COLLECTION_VERSION, str(facts["collection"])):
        return facts
    from . import daemon

    words = daemon.command(persist(), COLLECTION_VERSION)
    host.request("replace", {"collection": COLLECTION_VERSION, "command": words}, timeout=_REPLACE_TIMEOUT)
    return _begun(facts.get("problems", []))


def _hello() -> dict[str, Any]:
    """NoMonitor when nobody listens; one that dies with the question in its hands is followed by another."""
    for _attempt in range(_ATTEMPTS - 1):
        try:
            return host.request("hello")
        except host.Gone:
            continue
    return host.request("hello")


def _ensure() -> dict[str, Any]:
    try:
        return _hello()
    except host.NoMonitor:
        pass
    from . import daemon

    _make_private_directory()
    lock_fd = os.open(paths.MONITOR_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _lock(lock_fd, daemon.START_TIMEOUT)
        try:
            return _hello()
        except host.NoMonitor:
            daemon.spawn(persist(), COLLECTION_VERSION)
        return _begun()
    finally:
        os.close(lock_fd)


def _begun(known: Sequence[str] = ()) -> dict[str, Any]:
    """The facts of a monitor that is there because of us: this task says what is wrong with it, and no later one."""
    facts = _hello()
    presence.problems += [problem for problem in facts.get("problems", []) if problem not in known]
    return facts


def stop_monitor() -> bool:
    """End the monitor. InUse while it runs containers; False when there was none."""
    try:
        host.request("quit")
    except host.NoMonitor:
        return False
    deadline = time.monotonic() + 10
    while os.path.exists(paths.MONITOR_SOCKET) and time.monotonic() < deadline:
        time.sleep(0.02)
    return True


def _make_private_directory() -> None:
    try:
        os.mkdir(paths.RUN, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise StepError.from_os("runtime", "Make directory", paths.RUN, error) from error
    _verify_owned(paths.RUN)


def _verify_owned(path: str) -> None:
    found = os.lstat(path)
    if found.st_uid != os.geteuid() or stat.S_ISLNK(found.st_mode) or found.st_mode & 0o022:
        raise StepError("runtime", "Trust", path, text=f"it must belong to uid {os.geteuid()} and be writable by nobody else")


def _lock(lock_fd: int, timeout: float) -> None:
    """Held only while a monitor comes up, so the wait is short; its end is an error that names the lock."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimedOut(f"Another task has held {paths.MONITOR_LOCK} for {timeout:g} s while it starts the monitor") from None
            time.sleep(0.02)


def sources() -> dict[str, bytes]:
    """Every file of this package, by its path below it; out of the zip that a module runs from, or from a directory."""
    package = __package__ or ""
    return {f"{name.replace('.', '/')}.py": _source(package, name) for name in _module_names(package, "")}


def _module_names(package: str, prefix: str) -> Iterator[str]:
    yield f"{prefix}__init__"
    places = list(sys.modules[__package__ or ""].__path__)
    if prefix:
        places = [f"{place}/{prefix.rstrip('.').replace('.', '/')}" for place in places]
    for _finder, name, is_package in pkgutil.iter_modules(places):
        if is_package:
            yield from _module_names(package, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _source(package: str, name: str) -> bytes:
    found = pkgutil.get_data(package, f"{name.replace('.', '/')}.py")
    if found is None:
        raise StepError("runtime", "Read", f"{package}.{name}", text="its source is not at hand")
    return found


def digest(files: dict[str, bytes]) -> str:
    """A name for exactly this content."""
    state = hashlib.sha256()
    for name in sorted(files):
        state.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return state.hexdigest()


def persist() -> str:
    """Write the copy, unless the very same one stands there; returns its directory."""
    from . import manifest  # what makes Ansible ship every file

    del manifest
    files = sources()
    directory = f"{paths.RUN}/runtime-{digest(files)}"
    if not os.path.isdir(directory):
        _write_copy(directory, files)
    _verify_copy(directory, files)
    _offer(directory, files)
    return directory


def _offer(directory: str, files: dict[str, bytes]) -> None:
    """To modules whose zip has these files: `compiled.take`."""
    link = f"{paths.RUN}/compiled-{compiled.mark({name: (len(content), zlib.crc32(content)) for name, content in files.items()})}"
    if os.path.islink(link):
        return
    temporary = f"{link}.{os.getpid()}"
    try:
        os.symlink(os.path.basename(directory), temporary)
        os.rename(temporary, link)
    except OSError as error:
        raise StepError.from_os("runtime", "Link", link, error) from error


def _write_copy(directory: str, files: dict[str, bytes]) -> None:
    from .kernel import command, tree

    temporary = f"{directory}.{os.getpid()}"
    tree.remove(temporary)  # of a process of that number that did not come to the end
    try:
        for name, content in files.items():
            path = f"{temporary}/_lxc/{name}"
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            with open(path, "xb") as file:
                file.write(content)
        # By another process: what compiling leaves behind would stay in the monitor's memory for good.
        command.run([sys.executable, "-I", "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", temporary])
        os.rename(temporary, directory)
    except OSError as error:
        tree.remove(temporary)
        raise StepError.from_os("runtime", "Write", directory, error) from error


def _verify_copy(directory: str, files: dict[str, bytes]) -> None:
    for path in (paths.RUN, directory, f"{directory}/_lxc"):
        _verify_owned(path)
    for base, directories, names in os.walk(directory):
        for name in [*directories, *names]:
            _verify_owned(f"{base}/{name}")
    found = {f"{base[len(directory) + 1 :]}/{name}" for base, _directories, names in os.walk(directory) for name in names}
    strange = {name for name in found if not name.endswith(".pyc") or "/__pycache__/" not in name} - {f"_lxc/{name}" for name in files}
    if strange:
        raise StepError("runtime", "Trust", f"{directory}/{min(strange)}", text="it is not part of the runtime; remove the directory")
    for name, content in files.items():
        path = f"{directory}/_lxc/{name}"
        try:
            with open(path, "rb") as file:
                if file.read() == content:
                    continue
        except FileNotFoundError:
            pass
        raise StepError("runtime", "Trust", path, text="it was changed after it was written; remove the directory")
