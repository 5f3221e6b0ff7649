# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every key of LXC 5.0, one row a key, with the name that LXC 1.0 to 2.1 had for it (lxc.container.conf(5)).

The modern spelling is the one that is written; both are read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Optional

from ..errors import ConfigError
from . import values

Where = tuple[str, int]

# What further lines with the same key do: replace the value, add one item, or add every word of theirs.
ONE, LINES, WORDS, COMMAS = "", "lines", "words", "commas"


class Key(NamedTuple):
    """`kind` names the check in `values`; `needs` is the network type without which LXC refuses the key.

    A name that ends in a dot is a family: what follows is free. N stands for a network's number.
    """

    name: str
    kind: str
    many: str = ONE
    legacy: str = ""
    needs: str = ""


class Match(NamedTuple):
    """What a name in a config means: `name` is its modern spelling; `suffix` what follows a family's or a network's prefix."""

    key: Key
    name: str
    index: int = -1  # type: ignore[assignment]  # a tuple has a method of that name
    suffix: str = ""
    legacy: bool = False


# In text, because a module compiles it at every run: as calls, one a row, this file takes twice as long.
_TABLE = """
lxc.include                      text                  lines
lxc.arch                         arch
lxc.uts.name                     hostname              -        lxc.utsname
lxc.apparmor.profile             text                  -        lxc.aa_profile
lxc.apparmor.allow_incomplete    bool                  -        lxc.aa_allow_incomplete
lxc.apparmor.allow_nesting       bool
lxc.apparmor.raw                 text                  lines
lxc.autodev                      bool
lxc.autodev.tmpfs.size           int
lxc.cap.drop                     capabilities          words
lxc.cap.keep                     capabilities_kept     words
lxc.cgroup                       nothing
lxc.cgroup.                      text                  lines
lxc.cgroup2                      nothing
lxc.cgroup2.                     text                  lines
lxc.cgroup.dir                   below
lxc.cgroup.dir.container         below
lxc.cgroup.dir.container.inner   directory_name
lxc.cgroup.dir.monitor           below
lxc.cgroup.dir.monitor.pivot     below
lxc.cgroup.relative              bool
lxc.console.buffer.size          size
lxc.console.logfile              path
lxc.console.path                 path                  -        lxc.console
lxc.console.rotate               bool
lxc.console.size                 size
lxc.environment                  variable              lines
lxc.ephemeral                    bool
lxc.execute.cmd                  text
lxc.group                        text                  words
lxc.hook                         nothing
lxc.hook.autodev                 text                  lines
lxc.hook.clone                   text                  lines
lxc.hook.destroy                 text                  lines
lxc.hook.mount                   text                  lines
lxc.hook.post-stop               text                  lines
lxc.hook.pre-mount               text                  lines
lxc.hook.pre-start               text                  lines
lxc.hook.start                   text                  lines
lxc.hook.start-host              text                  lines
lxc.hook.stop                    text                  lines
lxc.hook.version                 bool
lxc.idmap                        idmap                 lines    lxc.id_map
lxc.init.cmd                     text                  -        lxc.init_cmd
lxc.init.cwd                     path
lxc.init.gid                     uint                  -        lxc.init_gid
lxc.init.groups                  groups                commas
lxc.init.uid                     uint                  -        lxc.init_uid
lxc.keyring.session              bool
lxc.log.file                     path                  -        lxc.logfile
lxc.log.level                    log_level             -        lxc.loglevel
lxc.log.syslog                   syslog                -        lxc.syslog
lxc.monitor.signal.pdeath        signal
lxc.monitor.unshare              uint
lxc.mount.auto                   mount_auto            words
lxc.mount.entry                  text                  lines
lxc.mount.fstab                  fstab                 -        lxc.mount
lxc.namespace.clone              namespaces            words
lxc.namespace.keep               namespaces            words
lxc.namespace.share.             text
lxc.net                          nothing               -        lxc.network
lxc.net.N                        nothing
lxc.net.N.flags                  flags
lxc.net.N.hwaddr                 mac
lxc.net.N.ipv4.address           ipv4                  lines
lxc.net.N.ipv4.gateway           ipv4_gateway
lxc.net.N.ipv6.address           ipv6                  lines
lxc.net.N.ipv6.gateway           ipv6_gateway
lxc.net.N.ipvlan.isolation       ipvlan_isolation      -        -                          ipvlan
lxc.net.N.ipvlan.mode            ipvlan_mode           -        -                          ipvlan
lxc.net.N.l2proxy                bool
lxc.net.N.link                   interface
lxc.net.N.macvlan.mode           macvlan_mode          -        -                          macvlan
lxc.net.N.mtu                    uint
lxc.net.N.name                   interface
lxc.net.N.script.down            text
lxc.net.N.script.up              text
lxc.net.N.type                   net_type
lxc.net.N.veth.ipv4.route        ipv4_route            lines    -                          veth
lxc.net.N.veth.ipv6.route        ipv6_route            lines    -                          veth
lxc.net.N.veth.mode              veth_mode             -        -                          veth
lxc.net.N.veth.n_rxqueues        positive              -        -                          veth
lxc.net.N.veth.n_txqueues        positive              -        -                          veth
lxc.net.N.veth.pair              interface             -        -                          veth
lxc.net.N.veth.vlan.id           bridge_vlan_or_none   -        -                          veth
lxc.net.N.veth.vlan.tagged.id    bridge_vlan           lines    -                          veth
lxc.net.N.vlan.id                u16                   -        -                          vlan
lxc.no_new_privs                 bool
lxc.prlimit                      nothing               -        lxc.limit
lxc.prlimit.                     prlimit               -        lxc.limit.
lxc.proc                         nothing
lxc.proc.                        text                  lines
lxc.pty.max                      uint                  -        lxc.pts
lxc.rootfs.managed               bool
lxc.rootfs.mount                 path
lxc.rootfs.options               root_options
lxc.rootfs.path                  path                  -        lxc.rootfs
lxc.sched.core                   bool
lxc.seccomp.allow_nesting        bool
lxc.seccomp.notify.cookie        text
lxc.seccomp.notify.proxy         unix_socket
lxc.seccomp.profile              path                  -        lxc.seccomp
lxc.selinux.context              text                  -        lxc.se_context
lxc.selinux.context.keyring      text
lxc.signal.halt                  signal                -        lxc.haltsignal
lxc.signal.reboot                signal                -        lxc.rebootsignal
lxc.signal.stop                  signal                -        lxc.stopsignal
lxc.start.auto                   bool
lxc.start.delay                  uint
lxc.start.order                  int
lxc.sysctl                       nothing
lxc.sysctl.                      text
lxc.time.offset.boot             time_offset
lxc.time.offset.monotonic        time_offset
lxc.tty.dir                      text                  -        lxc.devttydir
lxc.tty.max                      uint                  -        lxc.tty
lxc.rootfs.backend               dropped               -        lxc.rootfs.backend
lxc.kmsg                         dropped               -        lxc.kmsg
lxc.pivotdir                     dropped               -        lxc.pivotdir
"""  # The last three are gone since 2.1: the first became a part of lxc.rootfs.path, the others did nothing any more.


def _row(line: str) -> Key:
    return Key(*["" if cell == "-" else cell for cell in line.split()])


KEYS = tuple(map(_row, _TABLE.strip().splitlines()))

_MODERN = {key.name: key for key in KEYS if key.kind != "dropped"}
_LEGACY = {key.legacy: key for key in KEYS if key.legacy}
_FAMILIES = [(key.name, key) for key in KEYS if key.name.endswith(".")] + [("lxc.limit.", _MODERN["lxc.prlimit."])]
_BESIDE_FAMILY = ("lxc.cgroup.dir", "lxc.cgroup.relative", "lxc.hook.version")


@lru_cache(1024)  # the same few, of many containers
def find(name: str, network: int = 0) -> Optional[Match]:
    """The key of that name in either spelling, or None. `network` is the number for a legacy one that has none (lxc.network.link)."""
    key = _MODERN.get(name)
    if key and ".N" not in name and not name.endswith("."):
        return Match(key, name)
    key = _LEGACY.get(name)
    if key and not name.endswith("."):
        return Match(key, key.name, legacy=True)
    for prefix, legacy in (("lxc.net.", False), ("lxc.network.", True)):
        if name.startswith(prefix):
            return _find_network(name[len(prefix) :], network, legacy)
    for prefix, key in _FAMILIES:
        if name.startswith(prefix) and len(name) > len(prefix):
            suffix = name[len(prefix) :]
            if prefix == "lxc.namespace.share." and suffix not in values.NAMESPACES:
                return None
            return Match(key, key.name + suffix, suffix=suffix, legacy=prefix == "lxc.limit.")
    return None


def _find_network(rest: str, network: int, legacy: bool) -> Optional[Match]:
    number, _dot, word = rest.partition(".")
    if number.isascii() and number.isdigit():
        index = int(number)
    elif legacy:
        index, word = network, rest
    else:
        return None
    if legacy and word in ("ipv4", "ipv6"):
        word += ".address"
    key = _MODERN.get(f"lxc.net.N.{word}" if word else "lxc.net.N")
    return Match(key, f"lxc.net.{index}.{word}" if word else f"lxc.net.{index}", index, word, legacy) if key else None


def check(name: str, value: str, where: Where = ("config", 0)) -> None:
    """Raise ConfigError where LXC does not take this value, or would make something else of it. An empty value clears."""
    match = find(name)
    if match is None:
        raise ConfigError(where[0], where[1], name, "LXC has no such key")
    check_match(match, value, where)


def check_match(match: Match, value: str, where: Where) -> None:
    problem = values.problem(match.key.kind, value)
    if problem:
        # The value of an environment variable may be a password.
        shown = "the value" if match.key.kind == "variable" else repr(value)
        raise ConfigError(where[0], where[1], match.name, f"{shown} cannot be used: expected {problem}")


def voided(match: Match, value: str) -> Optional[tuple[str, ...]]:
    """The keys, or beginnings of keys that end in a dot, whose earlier lines this line makes void (beside its own); None: none."""
    if match.key.name == "lxc.net.N.type":  # it begins the network anew
        return (f"lxc.net.{match.index}.",)
    if value:
        return None
    if match.key.kind == "nothing":
        return (match.name + ".",)
    return ("lxc.cap.drop", "lxc.cap.keep") if match.name in ("lxc.cap.drop", "lxc.cap.keep") else None


def is_voided(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether `name` is meant by what `voided` gave."""
    if name.startswith(_BESIDE_FAMILY):
        return False
    return any(name.startswith(pattern) if pattern.endswith(".") else name == pattern for pattern in patterns)


def split(key: Key, value: str) -> list[str]:
    """The items of one line's value. LXC splits at blanks and tabs, never at commas; only lxc.init.groups is different."""
    if key.many == WORDS:
        return [word for word in value.replace("\t", " ").split(" ") if word]
    if key.many == COMMAS:
        return [item.strip() for item in value.split(",") if item.strip()]
    return [value]
