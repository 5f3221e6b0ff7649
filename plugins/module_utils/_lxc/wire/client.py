# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks whoever runs a container, ours or LXC's own monitor, over the container's command socket.

One function a request; each has a deadline, so a server that hangs cannot hang the caller. Descriptors that come back belong to the caller
and are close-on-exec.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from functools import partial
from typing import Optional

from ..errors import LxcError, StepError, TimedOut
from ..paths import Container
from . import exchange as exchanges
from . import payloads, protocol, query
from .exchange import TIMEOUT, Exchange, NoReply, Reply, ask, ask_fd
from .protocol import Command, NotRunning, ProtocolError, State
from .several import Pending

# Those that every task asks stand in `query`; with these the others are whole.
state = query.state
state_of = query.state_of
init_pid = query.init_pid
config_item = query.config_item
read_config_item = query.read_config_item
Refused = exchanges.Refused
close = exchanges.close
only_fd = exchanges.only_fd

_SUFFIX = b"/command"
_HASHED_LENGTH = len(b"\0lxc//command") + 16


def init_pidfd(container: Container, timeout: float = TIMEOUT) -> int:
    """A pidfd of the first process; opened by number where the monitor is too old to hand one over."""
    return read_init_pidfd(container, partial(ask, container, Command.GET_INIT_PIDFD, timeout, max_fds=1), timeout)


def read_init_pidfd(container: Container, pending: Pending, timeout: float = TIMEOUT) -> int:
    """`init_pidfd`, when it has been asked for."""
    try:
        return only_fd(container, Command.GET_INIT_PIDFD, pending())
    except (Refused, NoReply) as error:
        if isinstance(error, Refused) and error.errno not in (errno.ENOSYS, errno.EBADF):
            raise
    pid = init_pid(container, timeout)
    try:
        return os.pidfd_open(pid)
    except OSError as problem:
        if problem.errno == errno.ESRCH:
            raise NotRunning(f"Container {container.name} in {container.lxc_path} has just ended") from None
        raise StepError.from_os("command socket", "Open a pidfd of", f"process {pid}", problem) from None


def clone_flags(container: Container, timeout: float = TIMEOUT) -> int:
    """CLONE_NEW* of the namespaces that were made for the container."""
    return ask(container, Command.GET_CLONE_FLAGS, timeout).response.value & 0xFFFFFFFF


def cgroup(container: Container, controller: Optional[str] = None, timeout: float = TIMEOUT) -> str:
    """The payload's cgroup below the root of `controller`'s hierarchy; None asks for the unified one."""
    payload = b"" if controller is None else protocol.pack_text(controller)
    return _path(ask(container, Command.GET_CGROUP, timeout, payload=payload))


def limit_cgroup(container: Container, controller: Optional[str] = None, timeout: float = TIMEOUT) -> str:
    """The cgroup that carries the limits: the payload's own or one above it. LXC before 4.0 knows only `cgroup`."""
    payload = b"" if controller is None else protocol.pack_text(controller)
    try:
        return _path(ask(container, Command.GET_LIMIT_CGROUP, timeout, payload=payload))
    except NoReply:
        return cgroup(container, controller, timeout)
    except Refused as error:
        if error.errno != errno.ENOSYS:
            raise
        return cgroup(container, controller, timeout)


def _path(reply: Reply) -> str:
    """On a unified host LXC says it without the slash in front."""
    return "/" + _text(reply).lstrip("/")


def _text(reply: Reply) -> str:
    return protocol.unpack_text(reply.payload) if reply.payload else ""


def cgroup_fds(container: Container, timeout: float = TIMEOUT) -> tuple[int, list[int]]:
    """The layout (payloads.LAYOUT_*) and a directory of the payload's cgroup for each hierarchy."""
    payload = payloads.CgroupCtx().pack()
    return read_cgroup_fds(container, ask(container, Command.GET_CGROUP_CTX, timeout, payload=payload, max_fds=payloads.CGROUP_MAX_FDS))


def read_cgroup_fds(container: Container, reply: Reply) -> tuple[int, list[int]]:
    """`cgroup_fds`, from the answer."""
    try:
        context = payloads.CgroupCtx.unpack(reply.payload)
        if context.fd_len != len(reply.fds):
            raise ProtocolError(f"The monitor of {container.name} announced {context.fd_len} cgroups and sent {len(reply.fds)}")
    except BaseException:
        close(reply.fds)
        raise
    return context.layout, reply.fds


def cgroup2_fd(container: Container, timeout: float = TIMEOUT) -> int:
    """The payload's directory in a unified layout: what there is to join where `cgroup_fds` is not known."""
    return ask_fd(container, Command.GET_CGROUP2_FD, timeout)


def limit_cgroup_fd(container: Container, controller: str, timeout: float = TIMEOUT) -> int:
    """A directory with the controller's files; Refused with ENOENT when the container has no such controller."""
    return ask_fd(container, Command.GET_LIMIT_CGROUP_FD, timeout, payloads.CgroupFd(controller=controller).pack())


def limit_cgroup2_fd(container: Container, timeout: float = TIMEOUT) -> int:
    """The directory that carries the limits, in a unified layout."""
    return ask_fd(container, Command.GET_LIMIT_CGROUP2_FD, timeout)


def devpts_fd(container: Container, timeout: float = TIMEOUT) -> int:
    """The container's mount of devpts."""
    return ask_fd(container, Command.GET_DEVPTS_FD, timeout)


def tty_fd(container: Container, number: int = -1, timeout: float = TIMEOUT) -> tuple[socket.socket, int, int]:
    """A terminal (-1: any, 0: the console): the connection that holds the slot until it is closed, the master, the number."""
    exchange = Exchange(container, Command.GET_TTY_FD, timeout)
    link = exchange.connect()
    try:
        exchange.send(link, number, b"")
        reply = exchange.reply(link, max_fds=1)
        if len(reply.fds) != 1:
            raise Refused(f"{exchange.title} brought no descriptor", errno.EBADF)
        link.settimeout(None)
    except BaseException:
        link.close()
        raise
    return link, reply.fds[0], reply.response.value


def stop(container: Container, timeout: float = TIMEOUT) -> None:
    """Have the monitor kill the container, and wait until it closes the connection, which is its way to say done."""
    exchange = Exchange(container, Command.STOP, timeout)
    with exchange.connect() as link:
        exchange.send(link, 0, b"")
        try:
            exchange.reply(link)
        except NoReply:
            return
    raise ProtocolError(f"{exchange.title} was answered with what is no error")


def set_state(container: Container, new: State, timeout: float = TIMEOUT) -> None:
    """Tell the monitor what somebody else did to the container (freeze and thaw), for it to tell its state clients."""
    ask(container, Command.SERVE_STATE_CLIENTS, timeout, data=new)


def console_log(container: Container, order: payloads.ConsoleLog, timeout: float = TIMEOUT) -> bytes:
    """The console's ring buffer, out of which the monitor takes what is read; Refused with EFAULT when it has none."""
    try:
        return ask(container, Command.CONSOLE_LOG, timeout, payload=order.pack()).payload
    except Refused as error:
        if error.errno != errno.ENODATA:
            raise
        return b""


def add_bpf_device(container: Container, rule: payloads.BpfDevice, timeout: float = TIMEOUT) -> None:
    """Allow or deny a device where devices are a BPF program (cgroup v2)."""
    ask(container, Command.ADD_BPF_DEVICE_CGROUP, timeout, payload=rule.pack())


def name(address: bytes, timeout: float = TIMEOUT) -> str:
    """The name of the container behind a command socket's address."""
    return _text(ask(_behind(address), Command.GET_NAME, timeout, address=address))


def lxcpath(address: bytes, timeout: float = TIMEOUT) -> str:
    """The lxcpath of the container behind a command socket's address."""
    return _text(ask(_behind(address), Command.GET_LXCPATH, timeout, address=address))


def _behind(address: bytes) -> Container:
    return Container("unknown", "@" + address[1:].decode("utf-8", "surrogateescape"))


class StateLink(socket.socket):
    """A state client's connection. It says good-bye when it is closed, by the first four bytes of another such request.

    LXC's monitor (5.0) takes the client off its list only if what it read last said ADD_STATE_CLIENT. A client that stays there gets
    its message by the old descriptor's number, in the middle of an answer to whoever has that by then.
    """

    def close(self) -> None:
        if self.fileno() >= 0:
            try:
                self.send(protocol.pack_request(Command.ADD_STATE_CLIENT)[:4], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except OSError:  # it has ended
                pass
        super().close()


def wait(container: Container, states: Iterable[State], timeout: float = TIMEOUT) -> State:
    """Wait until the container is in one of `states` and say in which; NotRunning when it stops and STOPPED is none of them."""
    wanted = set(states)
    exchange = Exchange(container, Command.ADD_STATE_CLIENT, timeout)
    try:
        link, now = _watch(exchange, wanted)
        with link:
            return _announced(exchange, link) if now is None else now
    except NotRunning:
        if State.STOPPED not in wanted:
            raise
        return State.STOPPED
    except TimedOut:
        names = " or ".join(state.name for state in sorted(wanted))
        raise TimedOut(f"Container {container.name} in {container.lxc_path} was not {names} within {timeout:g} s") from None


def watch(container: Container, states: Iterable[State], timeout: float = TIMEOUT) -> tuple[StateLink, Optional[State]]:
    """The state when it is one of `states` already, else a connection that becomes readable when it gets there or ends."""
    return _watch(Exchange(container, Command.ADD_STATE_CLIENT, timeout), set(states))


def watch_changes(container: Container, states: Iterable[State], timeout: float = TIMEOUT) -> StateLink:
    """A connection that becomes readable when it next gets to one of `states`, over a reboot too, and when it ends."""
    return _watch(Exchange(container, Command.ADD_STATE_CLIENT, timeout), set(states), survive_reboot=True)[0]


def _watch(exchange: Exchange, wanted: set[State], survive_reboot: bool = False) -> tuple[StateLink, Optional[State]]:
    link = StateLink(fileno=exchange.connect().detach())
    try:
        exchange.send(link, 0, payloads.pack_interest(wanted, survive_reboot))
        now = exchange.reply(link).response.value
        return link, None if now == protocol.MAX_STATE else query.state_of(exchange.container, now)
    except BaseException:
        link.close()
        raise


def _announced(exchange: Exchange, link: socket.socket) -> State:
    data, _fds = exchange.receive(link, payloads.STATE_MESSAGE_SIZE)
    if not data:
        raise NotRunning(f"Container {exchange.container.name} in {exchange.container.lxc_path} has stopped")
    return query.state_of(exchange.container, payloads.StateMessage.unpack(data).value)


def listening(lxc_path: str) -> list[str]:
    """The names of the containers of `lxc_path` that somebody runs, as lxc-ls finds them: from the listening sockets' names."""
    names = set()
    may_be_hashed = len(protocol.address(lxc_path, "n" * 64)) == _HASHED_LENGTH
    for address in _listening_addresses():
        if may_be_hashed and address.startswith(b"\0lxc/") and len(address) == _HASHED_LENGTH:
            names.add(_behind_hash(address, lxc_path))
        elif address.startswith(b"\0" + os.fsencode(lxc_path) + b"/"):
            names.add(os.fsdecode(address[len(os.fsencode(lxc_path)) + 2 : -len(_SUFFIX)]))
    return sorted(found for found in names if found and "/" not in found)


def count_running() -> int:
    """How many containers run on this host, in whichever lxcpath and whoever started them."""
    return len(set(_listening_addresses()))


def _listening_addresses() -> list[bytes]:
    """From /proc/net/unix (proc(5)): a line a socket, the address last, each NUL of it shown as @; flag 0x10000 is a listener's."""
    with open("/proc/net/unix", "rb") as file:
        rows = [line.split(None, 7) for line in file.read().split(b"\n") if line.endswith(_SUFFIX)]
    return [b"\0" + row[7][1:] for row in rows if len(row) == 8 and row[7].startswith(b"@") and int(row[3], 16) & 0x10000]


def _behind_hash(address: bytes, lxc_path: str) -> str:
    try:
        return name(address) if lxcpath(address) == lxc_path else ""
    except (LxcError, UnicodeError):
        return ""
