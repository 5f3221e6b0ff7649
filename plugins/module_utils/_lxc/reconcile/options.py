# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that end in lines of the config: `config`, which takes any key, and the typed ones over it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Union

from ..errors import BadValue
from .checks import for_one
from .desired import ConfigChanges, NetworkSection

Value = Union[str, list[str], None]

_MAC = re.compile(r"[0-9A-Fa-fxX]{2}(:[0-9A-Fa-fxX]{2}){5}")  # an x is a random digit, drawn by LXC at load
_NETWORK_KEYS = {
    "type": "type", "link": "link", "name": "name", "hwaddr": "hwaddr", "flags": "flags", "mtu": "mtu",
    "ipv4": "ipv4.address", "ipv4_gateway": "ipv4.gateway", "ipv6": "ipv6.address", "ipv6_gateway": "ipv6.gateway",
    "veth_pair": "veth.pair", "vlan_id": "vlan.id", "macvlan_mode": "macvlan.mode", "ipvlan_mode": "ipvlan.mode",
    "script_up": "script.up", "script_down": "script.down",
}  # fmt: skip
# Of these more is known than what LXC itself looks at.
_MEANT = (
    "lxc.cgroup.", "lxc.cgroup2.", "lxc.mount.entry", "lxc.rootfs.options", "lxc.rootfs.path", "lxc.include", "lxc.sysctl.",
    "lxc.prlimit.", "lxc.net.N.mtu", "lxc.net.N.hwaddr", "lxc.net.N.name", "lxc.net.N.veth.pair", "lxc.net.N.vlan.id",
)  # fmt: skip
_NOT_SHARED = ("hwaddr", "veth_pair", "ipv4", "ipv6")
_HOOKS = ("pre-start", "pre-mount", "mount", "autodev", "start-host", "start", "stop", "post-stop", "clone", "destroy")
_PLAIN = {
    "arch": "lxc.arch", "apparmor_profile": "lxc.apparmor.profile", "seccomp_profile": "lxc.seccomp.profile",
    "selinux_context": "lxc.selinux.context",
}  # fmt: skip
# Files that only one version of the cgroup interface has (kernel documents cgroup-v1/* and cgroup-v2.rst); a name of
# neither list is the same in both and is written for both.
_V1 = re.compile(
    r"(memory\.(.*_in_bytes|swappiness|oom_control|use_hierarchy|move_charge_at_immigrate|force_empty)|cpu\.(shares|cfs_.*|rt_.*)"
    r"|cpuacct\..*|blkio\..*|freezer\..*|net_cls\..*|net_prio\..*|hugetlb\..*_in_bytes|cpuset\.(memory|sched|mem|cpu)_.*)"
)
_V2 = re.compile(
    r"(memory\.(min|low|high|max|swap\..*|zswap\..*|oom\.group|reclaim)|cpu\.(weight.*|max.*|idle|uclamp\..*)|io\..*|cgroup\..*|misc\..*"
    r"|hugetlb\.[^.]*\.(rsvd\.)?max|cpuset\.cpus\.partition)"
)


def collect(params: Mapping[str, Any], name: str, several: bool) -> tuple[ConfigChanges, Sequence[NetworkSection] | None]:
    """The keys to set and, when `network` is said, the whole set of networks. Typed options must not contradict `config`."""
    changes: dict[str, Value] = _config_option(params)
    config = "config" if "config" in params else "container_config"
    sources = dict.fromkeys(changes, config)
    for option, key, value in _typed(params, name):
        if key in changes and changes[key] != value:
            raise BadValue(option, value, f"what {sources[key]} says for {key} ({changes[key]!r}), or to be said in one of the two")
        changes[key] = value
        sources[key] = option
    for key, said in changes.items():
        _check(f"{config}[{key}]" if sources[key] == config else sources[key], key, said)
    networks = _networks(params["network"], name, several) if "network" in params else None
    if networks is not None and any(key.startswith("lxc.net.") for key in changes):
        key = next(key for key in changes if key.startswith("lxc.net."))
        raise BadValue("network", params["network"], f"to be the only one that says the networks, but {sources[key]} has {key}")
    return changes, networks


def _config_option(params: Mapping[str, Any]) -> dict[str, Value]:
    if "config" in params and "container_config" in params:
        raise BadValue("container_config", params["container_config"], "not to be said together with config")
    if "container_config" in params:
        return _modern(_pairs(params["container_config"]), "container_config")
    config = params.get("config", {})
    if not isinstance(config, Mapping):
        raise BadValue("config", config, "a dict of LXC key to value; a file is taken in with config: {lxc.include: FILE}")
    return _modern({key: _value(f"config[{key}]", value) for key, value in config.items()}, "config")


def _pairs(items: Sequence[str]) -> dict[str, Value]:
    """community.general's form: `key=value` items; a key that comes twice is a list."""
    found: dict[str, list[str]] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals:
            raise BadValue("container_config", item, "key=value")
        found.setdefault(key.strip(), []).append(str(_value("container_config", value.strip())))
    return {key: values[0] if len(values) == 1 else values for key, values in found.items()}


def _modern(changes: Mapping[Any, Value], option: str) -> dict[str, Value]:
    from ..config import keys

    modern: dict[str, Value] = {}
    for key, value in changes.items():
        match = keys.find(key) if isinstance(key, str) else None
        if match is None and value is None and isinstance(key, str) and key.strip(" \t") == key and key.isprintable():
            modern[key] = None  # lines of a key that LXC does not have can be taken away, and there may be none left
            continue
        if match is None:
            from .meaning import near

            raise BadValue(f"{option}[{key}]", key, "a key of LXC's configuration (lxc.container.conf(5))", hint=near(str(key)))
        if match.name in modern:
            raise BadValue(f"{option}[{key}]", value, f"only one spelling of {match.name}")
        modern[match.name] = value
    return modern


def _check(option: str, key: str, value: Value) -> None:
    """Raise BadValue for what LXC does not take as a value of this key."""
    from ..config import keys, values

    match = keys.find(key)
    if match is None:
        return
    if isinstance(value, list) and len(value) > 1 and not match.key.many:
        raise BadValue(option, value, f"one value, because {match.name} has only one")
    for item in value if isinstance(value, list) else [value]:
        problem = values.problem(match.key.kind, item) if item else ""  # an empty value clears, whatever the key
        if problem:  # the value of an environment variable may be a password
            raise BadValue(option, "(not shown)" if match.key.kind == "variable" else item, problem)
        is_name = match.key.kind == "hostname" and not re.fullmatch("[a-z0-9]+", str(item))
        if item is not None and (is_name or match.key.name in _MEANT or match.key.kind.startswith("capabilities")):
            from . import meaning

            meaning.check(option, match, item)


def _value(option: str, value: Any) -> Value:
    """As the config has it: booleans are 1 and 0, numbers their text, a list stays one."""
    if value is None:
        return None
    if isinstance(value, list):
        return [_text(option, item) for item in value]
    return _text(option, value)


def _text(option: str, value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, str):
        raise BadValue(option, value, "a string, a number, a boolean, or a list of them")
    if "\n" in value or "\r" in value or "\0" in value:
        raise BadValue(option, value, "text of one line, without NUL")
    return value


def _typed(params: Mapping[str, Any], name: str) -> list[tuple[str, str, Value]]:
    """(option, key, value) of every typed option that was said."""
    found: list[tuple[str, str, Value]] = []
    if "hostname" in params:
        found.append(("hostname", "lxc.uts.name", _text("hostname", params["hostname"]).replace("%n", name)))
    for option, key in _PLAIN.items():
        if option in params:
            found.append((option, key, _text(option, params[option])))
    if "mounts" in params:
        found.append(("mounts", "lxc.mount.entry", [_mount(mount) for mount in params["mounts"]]))
    for hook, commands in params.get("hooks", {}).items():
        if hook not in _HOOKS:
            raise BadValue("hooks", hook, "one of " + ", ".join(_HOOKS))
        listed = commands if isinstance(commands, list) else [commands]
        found.append(("hooks", f"lxc.hook.{hook}", [_text(f"hooks[{hook}]", command) for command in listed]))
    for word, value in _said(params.get("capabilities")):
        found += _capabilities(word, [_text(f"capabilities.{word}", item) for item in value])
    if "environment" in params:
        found.append(("environment", "lxc.environment", [_variable(key, value) for key, value in params["environment"].items()]))
    for word, value in _said(params.get("autostart")):
        key = {"enabled": "lxc.start.auto", "delay": "lxc.start.delay", "order": "lxc.start.order", "groups": "lxc.group"}[word]
        found.append((f"autostart.{word}", key, _value(f"autostart.{word}", value)))
    for file, value in params.get("cgroup", {}).items():
        found += [("cgroup", key, _value(f"cgroup[{file}]", value)) for key in _cgroup_keys(file)]
    return found


def _capabilities(word: str, names: list[str]) -> list[tuple[str, str, Value]]:
    """LXC takes either list and not both. The line that clears what an include drops stands above those that keep."""
    if word == "drop":
        return [("capabilities", "lxc.cap.keep", None), ("capabilities", "lxc.cap.drop", names)]
    return [("capabilities", "lxc.cap.drop", ""), ("capabilities", "lxc.cap.keep", names or ["none"])]


def _said(options: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    return [(key, value) for key, value in (options or {}).items() if value is not None]


def _cgroup_keys(file: str) -> list[str]:
    if not re.fullmatch(r"[a-z][a-z0-9_]*\.[A-Za-z0-9_.]+", file):
        raise BadValue("cgroup", file, "the name of a cgroup file, such as memory.max")
    if _V2.fullmatch(file):
        return [f"lxc.cgroup2.{file}"]
    return [f"lxc.cgroup.{file}"] if _V1.fullmatch(file) else [f"lxc.cgroup.{file}", f"lxc.cgroup2.{file}"]


def _variable(key: str, value: Any) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
        raise BadValue("environment", key, "a name of letters, digits and _")
    try:
        text = _text("environment", value)
    except BadValue:  # the value itself stays out of messages
        raise BadValue(f"environment[{key}]", "(not shown)", "text of one line, without NUL") from None
    return f"{key}={text}"


def _mount(mount: Mapping[str, Any]) -> str:
    """A line as in fstab(5), blanks in octal. The target is below the rootfs, so it is written without its first slash."""
    fields = {key: _text(f"mounts.{key}", value) for key, value in mount.items() if value is not None and key != "options"}
    source, target = fields.get("source", ""), fields.get("target", "").lstrip("/")
    if not source or not target:
        raise BadValue("mounts", dict(mount), "source and target")
    if ".." in target.split("/"):
        raise BadValue("mounts.target", target, "a path without .. in it")
    options = mount.get("options")
    if options is None:
        options = ["create=dir"] if "type" in fields else ["bind", "create=dir"]
    listed = ",".join(_text("mounts.options", item) for item in options) or "defaults"
    if re.search(r"\s", listed):
        raise BadValue("mounts.options", listed, "options without blanks")
    kind = fields.get("type", "none")
    return f"{_octal(source)} {_octal(target)} {_octal(kind)} {listed} 0 0"


def _octal(field: str) -> str:
    return field.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")


def _networks(networks: Sequence[Mapping[str, Any]], name: str, several: bool) -> list[NetworkSection]:
    if not networks:
        return [{"type": "empty"}]
    return [_network(network, index, name, several) for index, network in enumerate(networks)]


def _network(network: Mapping[str, Any], index: int, name: str, several: bool) -> NetworkSection:
    section: dict[str, str | list[str]] = {}
    for word, said in _said(network):
        option = f"network[{index}].{word}"
        value = _value(option, said)
        for item in value if isinstance(value, list) else [value]:
            if word in _NOT_SHARED and item and not (word == "hwaddr" and "x" in item.lower()):
                for_one(option, item, name, several)
        if isinstance(value, str):
            value = value.replace("%n", name)
        elif isinstance(value, list):
            value = [item.replace("%n", name) for item in value]
        if word == "hwaddr" and value and not _MAC.fullmatch(str(value)):
            quote = "Quote it: YAML reads a MAC of digits only as a number" if str(value).isdigit() else ""
            raise BadValue(option, said, "a MAC address, six pairs of hexadecimal digits with colons between them", hint=quote)
        _check(option, f"lxc.net.{index}.{_NETWORK_KEYS[word]}", value)
        section[_NETWORK_KEYS[word]] = value or ""
    if "type" not in section:
        raise BadValue(f"network[{index}]", dict(network), "type")
    if section["type"] not in ("empty", "none"):
        section.setdefault("flags", "up")
    return section
