# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the monitor answers to each request of LXC's command protocol.

An answer of None closes the connection without a word, which is how LXC says "no such thing" to some requests; an
unknown number is -ENOSYS. What changes anything, or hands out a descriptor (a directory of the host's is a way out of a
container), is refused to peers in another pid or user namespace (CVE-2020-15257).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ..cgroup import devices, layout
from ..config import items, parser
from ..errors import LxcError, StepError
from ..kernel import tty
from ..lifecycle import fifo
from ..wire import payloads, protocol
from ..wire.protocol import Command, ProtocolError, Request, State
from . import places
from .console import Console
from .freezing import Freezing
from .record import Record

if TYPE_CHECKING:
    from .serve import Client


class Answer(NamedTuple):
    """`fds` are closed after they were sent; `keep` leaves the connection open, `silent` says nothing and leaves it open."""

    ret: int = 0
    data: int = 0
    payload: bytes = b""
    fds: tuple[int, ...] = ()
    keep: bool = False
    silent: bool = False


class Actions(NamedTuple):
    """What answers may have done by the supervisor: set a state and tell the state clients; end the container; write down who waits."""

    set_state: Callable[[Record, State], None]
    stop: Callable[[Record], None]
    save: Callable[[Record], None]


_FENCED = (
    Command.GET_TTY_FD,
    Command.STOP,
    Command.CONSOLE_LOG,
    Command.SERVE_STATE_CLIENTS,
    Command.ADD_BPF_DEVICE_CGROUP,
    Command.FREEZE,
    Command.UNFREEZE,
    Command.GET_CGROUP2_FD,
    Command.GET_INIT_PIDFD,
    Command.GET_LIMIT_CGROUP2_FD,
    Command.GET_DEVPTS_FD,
    Command.GET_CGROUP_CTX,
    Command.GET_CGROUP_FD,
    Command.GET_LIMIT_CGROUP_FD,
)
_UP = (State.RUNNING, State.FREEZING, State.FROZEN)
_TOLD = (State.RUNNING, State.FREEZING, State.FROZEN, State.THAWED)
_ERRNO = {
    Command.SECCOMP_NOTIFY_ADD_LISTENER: errno.EINVAL,
    Command.GET_SECCOMP_NOTIFY_FD: errno.EBADF,
    Command.GET_SYSTEMD_SCOPE: errno.EINVAL,
}


def answer(client: Client, request: Request, payload: bytes) -> Optional[Answer]:
    """The answer to a whole request."""
    _pid, uid, gid = client.peer
    if uid != 0 and (uid, gid) != (os.getuid(), os.getgid()):
        return Answer(-errno.EPERM)
    if request.cmd in _FENCED and client.is_foreign:
        return Answer(-errno.EPERM)
    handler = _HANDLERS.get(request.cmd)
    if handler is not None:
        try:
            return handler(client, request, payload)
        except ProtocolError:  # a payload that is too short, too long, or without its NUL
            return Answer(-errno.EINVAL)
        except OSError as error:  # a cgroup that has gone, no pty left
            return Answer(-(error.errno or errno.EIO))
    return Answer(-_ERRNO.get(request.cmd, errno.ENOSYS))  # type: ignore[call-overload]  # cmd may be any number


def _tty(client: Client, request: Request, _payload: bytes) -> Answer:
    record, wanted = client.record, request.value
    if wanted == 0:
        return _console(client)
    for number, fd in enumerate(record.tty_fds, 1):
        if number not in record.tty_peers and wanted in (-1, number):
            _own_tty(client, number)
            return Answer(0, number, fds=(os.dup(fd),), keep=True)
    return Answer(-errno.EBADF)


def _own_tty(client: Client, number: int) -> None:
    record = client.record
    if number not in record.tty_peers:  # a monitor before this one may have opened it
        record.tty_peers[number] = tty.open_peer(record.tty_fds[number - 1])
    client.on_close.append(partial(_leave_tty, record, record.tty_peers, number))
    client.keep({"tty": number})


def _leave_tty(record: Record, peers: dict[int, int], number: int) -> None:
    """`peers` are those of the run of init that it was had in."""
    peer_fd = peers.pop(number, None)
    if peer_fd is not None:
        record.dispose(peer_fd)


def _console(client: Client) -> Answer:
    console = client.record.console
    if console is None or console.proxy_fd >= 0:
        return Answer(-errno.EBADF)
    master_fd, session = console.attach()
    _own_console(client, console, session)
    return Answer(0, 0, fds=(master_fd,), keep=True)


def _own_console(client: Client, console: Console, session: int) -> None:
    client.on_close.append(partial(console.detach, session))
    client.keep({"console": True})


def resume(client: Client, waiting: Mapping[str, Any]) -> None:
    """What a client waits for, said by the monitor that answered it, is what it waits for again."""
    record = client.record
    if "tty" in waiting and waiting["tty"] <= len(record.tty_fds):
        _own_tty(client, waiting["tty"])
    elif "console" in waiting and record.console is not None and record.console.proxy_fd >= 0:
        _own_console(client, record.console, record.console.session)
    elif "states" in waiting:
        _await_states(client, tuple(waiting["states"]))
    elif "stop" in waiting:
        _await_end(client)
    else:
        client.close()


def _await_states(client: Client, states: tuple[int, ...]) -> None:
    client.states = states
    client.record.state_clients.append(client)
    client.keep({"states": states})


def _await_end(client: Client) -> None:
    client.record.stop_clients.append(client.close)
    client.keep({"stop": True})


def _stop(client: Client, _request: Request, _payload: bytes) -> Optional[Answer]:
    """Success is the end of the connection, when the container has ended."""
    record = client.record
    if record.listener is None:
        return None
    client.server.actions.stop(record)
    _await_end(client)
    return Answer(silent=True)


def _window(_client: Client, _request: Request, _payload: bytes) -> None:
    """The window's size: no version of LXC sends or answers it."""


def _bpf_device(client: Client, _request: Request, payload: bytes) -> Answer:
    """Unified hosts only; elsewhere there is a file to write to. Who has no rules at all may do everything."""
    asked = payloads.BpfDevice.unpack(payload)
    record = client.record
    cgroups = record.cgroup_list()
    if layout.kind(cgroups) != layout.UNIFIED:
        return Answer(-errno.EPERM)
    if record.state not in _UP:
        return Answer(-errno.EBUSY)
    try:
        before = _device_rules(record)
    except LxcError:
        return Answer(-errno.EINVAL)
    rules = devices.change(before, devices.Device(asked.type, asked.major, asked.minor, asked.access), asked.allow)
    devices.replace(cgroups[0].directory, rules)
    record.device_rules, record.touched = rules, True
    return Answer()


def _device_rules(record: Record) -> devices.Rules:
    """Those that hold now: as they were changed last, or as its start had them."""
    if record.device_rules is not None:
        return record.device_rules
    config = parser.from_pairs(record.config_pairs(), record.container.config)
    if devices.named_by_path(config):  # of a start before the launcher said them; here nobody may wait for a file system
        raise StepError("cgroup", "Change", "the device rules", text="one of them names a node of the host")
    return devices.wanted(config)[0] or devices.Rules()


def _state(client: Client, _request: Request, _payload: bytes) -> Answer:
    return Answer(0, int(client.record.state))


def _init_pid(client: Client, _request: Request, _payload: bytes) -> Answer:
    return Answer(0, client.record.init_pid)


def _clone_flags(client: Client, _request: Request, _payload: bytes) -> Answer:
    return Answer(0, client.record.flags)


def _cgroup(client: Client, _request: Request, payload: bytes) -> Optional[Answer]:
    controller = protocol.unpack_text(payload) if payload else ""
    found = layout.find(client.record.cgroup_list(), controller)
    return Answer(0, payload=protocol.pack_text(found.path)) if found else None


def _config_item(client: Client, _request: Request, payload: bytes) -> Answer:
    key = protocol.unpack_text(payload)
    record = client.record
    config = parser.from_pairs(record.config_pairs(), record.container.config)
    value = places.net_item(record.links, key) or items.item(config, key)
    return Answer(-1) if value is None else Answer(0, payload=protocol.pack_text(value))


def _name(client: Client, _request: Request, _payload: bytes) -> Answer:
    return Answer(0, payload=protocol.pack_text(client.record.container.name))


def _lxc_path(client: Client, _request: Request, _payload: bytes) -> Answer:
    return Answer(0, payload=protocol.pack_text(client.record.container.lxc_path))


def _state_client(client: Client, _request: Request, payload: bytes) -> Optional[Answer]:
    states = payloads.unpack_interest(payload)
    if client.record.listener is None:  # it connected before the end: the end of the connection tells it
        return None
    state = int(client.record.state)
    if states[state] == 1:
        return Answer(state, state)
    _await_states(client, states)
    return Answer(protocol.MAX_STATE, protocol.MAX_STATE, keep=True)


def _console_log(client: Client, _request: Request, payload: bytes) -> Answer:
    """As LXC, what is read is taken out of the ring. So is what shall be written to the log file, where all of it stands already."""
    wanted = payloads.ConsoleLog.unpack(payload)
    console = client.record.console
    if console is None or not console.buffer_size:
        return Answer(-errno.EFAULT)
    if wanted.read and not console.ring:
        return Answer(-errno.ENODATA)
    taken = bytes(console.ring[: wanted.read_max or None]) if wanted.read or wanted.write_logfile else b""
    del console.ring[: len(console.ring) if wanted.clear else len(taken)]
    return Answer(0, payload=taken if wanted.read else b"")


def _serve_state(client: Client, request: Request, _payload: bytes) -> Answer:
    """Whoever froze or thawed the container tells so. One that is ending, or not up yet, does not become RUNNING by that."""
    if request.value not in _TOLD:
        return Answer(-errno.EINVAL)
    if client.record.state in _UP:
        client.server.actions.set_state(client.record, State(request.value))
    return Answer(0)


def _freeze(client: Client, request: Request, _payload: bytes) -> Answer:
    """Unified hosts only. With no time at all it is begun, and nobody waits; else the answer comes when it is so.

    What does not freeze in time is left running.
    """
    record, freeze = client.record, request.cmd == Command.FREEZE
    cgroups = record.cgroup_list()
    if layout.kind(cgroups) != layout.UNIFIED:
        return Answer(-errno.ENOENT)
    if record.state not in _UP:
        return Answer(-errno.EBUSY)

    def tell(state: State) -> None:
        if record.state in _UP:
            client.server.actions.set_state(record, state)
            fifo.tell_state(record.container, state)

    def done(code: int) -> None:
        if code == errno.ETIMEDOUT:
            places.thaw(cgroups)
        tell(State.FROZEN if freeze and not code else State.THAWED)
        client.reply(Answer(-code))

    Freezing(client.loop, cgroups[0].directory, freeze, request.value or -1, done)
    if freeze:
        tell(State.FREEZING)
    return Answer(silent=bool(request.value))


def _pidfd(client: Client, _request: Request, _payload: bytes) -> Answer:
    pidfd = client.record.pidfd
    return Answer(0, fds=(os.dup(pidfd),)) if pidfd >= 0 else Answer(-errno.EBADF)


def _devpts(client: Client, _request: Request, _payload: bytes) -> Answer:
    devpts_fd = client.record.devpts_fd
    return Answer(0, fds=(os.dup(devpts_fd),)) if devpts_fd >= 0 else Answer(-errno.EBADF)


def _cgroup2_fd(client: Client, _request: Request, _payload: bytes) -> Answer:
    cgroups = client.record.cgroup_list()
    if layout.kind(cgroups) != layout.UNIFIED:
        return Answer(-errno.EINVAL)
    return Answer(0, fds=(places.open_directory(cgroups[0]),))


def _utilities(cgroups: Sequence[layout.Cgroup]) -> int:
    return payloads.CGROUP_UTILITIES if layout.kind(cgroups) == layout.UNIFIED else 0


def _cgroup_ctx(client: Client, request: Request, _payload: bytes) -> Answer:
    cgroups = client.record.cgroup_list()[: payloads.CGROUP_MAX_FDS]
    fds = places.open_directories(cgroups)
    reply = payloads.CgroupCtx(layout.kind(cgroups), _utilities(cgroups), len(fds)).pack()
    return Answer(0, payload=reply[: min(len(reply), request.datalen)], fds=fds)


def _cgroup_fd(client: Client, _request: Request, payload: bytes) -> Answer:
    wanted = payloads.CgroupFd.unpack(payload)
    cgroups = client.record.cgroup_list()
    found = layout.find(cgroups, wanted.controller)
    if found is None:
        return Answer(-errno.ENOENT)
    magic = payloads.CGROUP2_MAGIC if found.version == 2 else payloads.CGROUP1_MAGIC
    if wanted.type not in (0, magic):
        return Answer(-errno.EINVAL)
    reply = payloads.CgroupFd(layout.kind(cgroups), _utilities(cgroups), magic, wanted.controller).pack()
    return Answer(0, payload=reply, fds=(places.open_directory(found),))


_HANDLERS: dict[int, Callable[[Client, Request, bytes], Optional[Answer]]] = {
    Command.GET_TTY_FD: _tty,
    Command.TERMINAL_WINCH: _window,
    Command.STOP: _stop,
    Command.GET_STATE: _state,
    Command.GET_INIT_PID: _init_pid,
    Command.GET_CLONE_FLAGS: _clone_flags,
    Command.GET_CGROUP: _cgroup,
    Command.GET_CONFIG_ITEM: _config_item,
    Command.GET_NAME: _name,
    Command.GET_LXCPATH: _lxc_path,
    Command.ADD_STATE_CLIENT: _state_client,
    Command.CONSOLE_LOG: _console_log,
    Command.SERVE_STATE_CLIENTS: _serve_state,
    Command.ADD_BPF_DEVICE_CGROUP: _bpf_device,
    Command.FREEZE: _freeze,
    Command.UNFREEZE: _freeze,
    Command.GET_CGROUP2_FD: _cgroup2_fd,
    Command.GET_INIT_PIDFD: _pidfd,
    Command.GET_LIMIT_CGROUP: _cgroup,
    Command.GET_LIMIT_CGROUP2_FD: _cgroup2_fd,
    Command.GET_DEVPTS_FD: _devpts,
    Command.GET_CGROUP_CTX: _cgroup_ctx,
    Command.GET_CGROUP_FD: _cgroup_fd,
    Command.GET_LIMIT_CGROUP_FD: _cgroup_fd,
}
