# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every key of LXC 5.0, one row a key, with the name that LXC 1.0 to 2.1 had for it (lxc.container.conf(5)).

The modern spelling is the one that is written; both are read.
"""

from __future__ import annotations

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
    kind: str = "text"
    legacy: str = ""
    many: str = ONE
    needs: str = ""


class Match(NamedTuple):
    """What a name in a config means: `name` is its modern spelling; `suffix` what follows a family's or a network's prefix."""

    key: Key
    name: str
    index: int = -1  # type: ignore[assignment]
    suffix: str = ""
    legacy: bool = False


KEYS = (
    Key("lxc.include", "text", many=LINES),
    Key("lxc.arch", "arch"),
    Key("lxc.uts.name", "hostname", "lxc.utsname"),
    Key("lxc.apparmor.profile", "text", "lxc.aa_profile"),
    Key("lxc.apparmor.allow_incomplete", "bool", "lxc.aa_allow_incomplete"),
    Key("lxc.apparmor.allow_nesting", "bool"),
    Key("lxc.apparmor.raw", "text", many=LINES),
    Key("lxc.autodev", "bool"),
    Key("lxc.autodev.tmpfs.size", "int"),
    Key("lxc.cap.drop", "capabilities", many=WORDS),
    Key("lxc.cap.keep", "capabilities_kept", many=WORDS),
    Key("lxc.cgroup", "nothing"),
    Key("lxc.cgroup.", "text", many=LINES),
    Key("lxc.cgroup2", "nothing"),
    Key("lxc.cgroup2.", "text", many=LINES),
    Key("lxc.cgroup.dir", "below"),
    Key("lxc.cgroup.dir.container", "below"),
    Key("lxc.cgroup.dir.container.inner", "directory_name"),
    Key("lxc.cgroup.dir.monitor", "below"),
    Key("lxc.cgroup.dir.monitor.pivot", "below"),
    Key("lxc.cgroup.relative", "bool"),
    Key("lxc.console.buffer.size", "size"),
    Key("lxc.console.logfile", "path"),
    Key("lxc.console.path", "path", "lxc.console"),
    Key("lxc.console.rotate", "bool"),
    Key("lxc.console.size", "size"),
    Key("lxc.environment", "variable", many=LINES),
    Key("lxc.ephemeral", "bool"),
    Key("lxc.execute.cmd", "text"),
    Key("lxc.group", "text", many=WORDS),
    Key("lxc.hook", "nothing"),
    Key("lxc.hook.autodev", "text", many=LINES),
    Key("lxc.hook.clone", "text", many=LINES),
    Key("lxc.hook.destroy", "text", many=LINES),
    Key("lxc.hook.mount", "text", many=LINES),
    Key("lxc.hook.post-stop", "text", many=LINES),
    Key("lxc.hook.pre-mount", "text", many=LINES),
    Key("lxc.hook.pre-start", "text", many=LINES),
    Key("lxc.hook.start", "text", many=LINES),
    Key("lxc.hook.start-host", "text", many=LINES),
    Key("lxc.hook.stop", "text", many=LINES),
    Key("lxc.hook.version", "bool"),
    Key("lxc.idmap", "idmap", "lxc.id_map", LINES),
    Key("lxc.init.cmd", "text", "lxc.init_cmd"),
    Key("lxc.init.cwd", "path"),
    Key("lxc.init.gid", "uint", "lxc.init_gid"),
    Key("lxc.init.groups", "groups", many=COMMAS),
    Key("lxc.init.uid", "uint", "lxc.init_uid"),
    Key("lxc.keyring.session", "bool"),
    Key("lxc.log.file", "path", "lxc.logfile"),
    Key("lxc.log.level", "log_level", "lxc.loglevel"),
    Key("lxc.log.syslog", "syslog", "lxc.syslog"),
    Key("lxc.monitor.signal.pdeath", "signal"),
    Key("lxc.monitor.unshare", "uint"),
    Key("lxc.mount.auto", "mount_auto", many=WORDS),
    Key("lxc.mount.entry", "text", many=LINES),
    Key("lxc.mount.fstab", "fstab", "lxc.mount"),
    Key("lxc.namespace.clone", "namespaces", many=WORDS),
    Key("lxc.namespace.keep", "namespaces", many=WORDS),
    Key("lxc.namespace.share.", "text"),
    Key("lxc.net", "nothing", "lxc.network"),
    Key("lxc.net.N", "nothing"),
    Key("lxc.net.N.flags", "flags"),
    Key("lxc.net.N.hwaddr", "mac"),
    Key("lxc.net.N.ipv4.address", "ipv4", many=LINES),
    Key("lxc.net.N.ipv4.gateway", "ipv4_gateway"),
    Key("lxc.net.N.ipv6.address", "ipv6", many=LINES),
    Key("lxc.net.N.ipv6.gateway", "ipv6_gateway"),
    Key("lxc.net.N.ipvlan.isolation", "ipvlan_isolation", needs="ipvlan"),
    Key("lxc.net.N.ipvlan.mode", "ipvlan_mode", needs="ipvlan"),
    Key("lxc.net.N.l2proxy", "bool"),
    Key("lxc.net.N.link", "interface"),
    Key("lxc.net.N.macvlan.mode", "macvlan_mode", needs="macvlan"),
    Key("lxc.net.N.mtu", "uint"),
    Key("lxc.net.N.name", "interface"),
    Key("lxc.net.N.script.down", "text"),
    Key("lxc.net.N.script.up", "text"),
    Key("lxc.net.N.type", "net_type"),
    Key("lxc.net.N.veth.ipv4.route", "ipv4_route", many=LINES, needs="veth"),
    Key("lxc.net.N.veth.ipv6.route", "ipv6_route", many=LINES, needs="veth"),
    Key("lxc.net.N.veth.mode", "veth_mode", needs="veth"),
    Key("lxc.net.N.veth.n_rxqueues", "positive", needs="veth"),
    Key("lxc.net.N.veth.n_txqueues", "positive", needs="veth"),
    Key("lxc.net.N.veth.pair", "interface", needs="veth"),
    Key("lxc.net.N.veth.vlan.id", "bridge_vlan_or_none", needs="veth"),
    Key("lxc.net.N.veth.vlan.tagged.id", "bridge_vlan", many=LINES, needs="veth"),
    Key("lxc.net.N.vlan.id", "u16", needs="vlan"),
    Key("lxc.no_new_privs", "bool"),
    Key("lxc.prlimit", "nothing", "lxc.limit"),
    Key("lxc.prlimit.", "prlimit", "lxc.limit."),
    Key("lxc.proc", "nothing"),
    Key("lxc.proc.", "text", many=LINES),
    Key("lxc.pty.max", "uint", "lxc.pts"),
    Key("lxc.rootfs.managed", "bool"),
    Key("lxc.rootfs.mount", "path"),
    Key("lxc.rootfs.options", "root_options"),
    Key("lxc.rootfs.path", "path", "lxc.rootfs"),
    Key("lxc.sched.core", "bool"),
    Key("lxc.seccomp.allow_nesting", "bool"),
    Key("lxc.seccomp.notify.cookie", "text"),
    Key("lxc.seccomp.notify.proxy", "unix_socket"),
    Key("lxc.seccomp.profile", "path", "lxc.seccomp"),
    Key("lxc.selinux.context", "text", "lxc.se_context"),
    Key("lxc.selinux.context.keyring", "text"),
    Key("lxc.signal.halt", "signal", "lxc.haltsignal"),
    Key("lxc.signal.reboot", "signal", "lxc.rebootsignal"),
    Key("lxc.signal.stop", "signal", "lxc.stopsignal"),
    Key("lxc.start.auto", "bool"),
    Key("lxc.start.delay", "uint"),
    Key("lxc.start.order", "int"),
    Key("lxc.sysctl", "nothing"),
    Key("lxc.sysctl.", "text"),
    Key("lxc.time.offset.boot", "time_offset"),
    Key("lxc.time.offset.monotonic", "time_offset"),
    Key("lxc.tty.dir", "text", "lxc.devttydir"),
    Key("lxc.tty.max", "uint", "lxc.tty"),
    # Gone since 2.1. The first is half of lxc.rootfs.path now; the others did nothing any more.
    Key("lxc.rootfs.backend", "dropped", "lxc.rootfs.backend"),
    Key("lxc.kmsg", "dropped", "lxc.kmsg"),
    Key("lxc.pivotdir", "dropped", "lxc.pivotdir"),
)

_MODERN = {key.name: key for key in KEYS if key.kind != "dropped"}
_LEGACY = {key.legacy: key for key in KEYS if key.legacy}
_FAMILIES = [(key.name, key) for key in KEYS if key.name.endswith(".")] + [("lxc.limit.", _MODERN["lxc.prlimit."])]
_BESIDE_FAMILY = ("lxc.cgroup.dir", "lxc.cgroup.relative", "lxc.hook.version")


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
