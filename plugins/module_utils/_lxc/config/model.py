# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effective config: what is left of all lines when each has done to the earlier ones what LXC lets it do."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from ..errors import ConfigError
from . import keys, values

# Keys whose empty value is not the same as no line at all (lxc.autodev is 1 when nothing is said).
_EMPTY = {"lxc.autodev": "0", "lxc.autodev.tmpfs.size": "500000", "lxc.monitor.signal.pdeath": "0"}
_EITHER = {
    "lxc.cap.drop": "lxc.cap.keep",
    "lxc.cap.keep": "lxc.cap.drop",
    "lxc.namespace.clone": "lxc.namespace.keep",
    "lxc.namespace.keep": "lxc.namespace.clone",
}


class Network(NamedTuple):
    """One network; an empty string or list where nothing is said."""

    index: int  # type: ignore[assignment]  # a tuple has a method of that name
    type: str
    link: str = ""
    name: str = ""
    hwaddr: str = ""
    flags: str = ""
    mtu: str = ""
    veth_pair: str = ""
    veth_mode: str = ""
    ipv4: list[str] = []
    ipv4_gateway: str = ""
    ipv6: list[str] = []
    ipv6_gateway: str = ""
    vlan_id: str = ""
    macvlan_mode: str = ""
    ipvlan_mode: str = ""
    ipvlan_isolation: str = ""
    script_up: list[str] = []
    script_down: list[str] = []
    veth_routes4: list[str] = []
    veth_routes6: list[str] = []
    l2proxy: str = ""
    veth_vlan_id: str = ""
    veth_vlan_tagged_ids: list[str] = []
    veth_rx_queues: str = ""
    veth_tx_queues: str = ""


_FIELDS = {
    "ipv4": "ipv4.address",
    "ipv6": "ipv6.address",
    "veth_routes4": "veth.ipv4.route",
    "veth_routes6": "veth.ipv6.route",
    "veth_vlan_id": "veth.vlan.id",
    "veth_vlan_tagged_ids": "veth.vlan.tagged.id",
    "veth_rx_queues": "veth.n_rxqueues",
    "veth_tx_queues": "veth.n_txqueues",
}


class Config:
    """Values by key, keys in the modern spelling. `parser` makes it; `set` takes the lines one after the other."""

    def __init__(self, warnings: Optional[list[str]] = None) -> None:
        self.warnings: list[str] = [] if warnings is None else warnings
        self._lines: list[tuple[keys.Match, str]] = []
        self._networks: Optional[list[Network]] = None

    def set(self, match: keys.Match, value: str, where: keys.Where = ("config", 0)) -> None:
        """What one more line does. Raises ConfigError when LXC would refuse it."""
        self._networks = None
        keys.check_match(match, value, where)
        self._check_place(match, value, where)
        patterns = keys.voided(match, value)
        if patterns:
            self._lines = [line for line in self._lines if not keys.is_voided(line[0].name, patterns)]
        if not value:
            self._drop(match.name)
            value = _EMPTY.get(match.name, "")
        if value:
            self._put(match, value)

    def _check_place(self, match: keys.Match, value: str, where: keys.Where) -> None:
        needs = match.key.needs
        if value and needs and self._type(match.index) != needs:
            raise ConfigError(*where, match.name, f"expected below a line lxc.net.{match.index}.type = {needs}")
        other = _EITHER.get(match.name)
        if value and other and self.get_list(other):
            raise ConfigError(*where, match.name, f"expected without {other}, which is set above")

    def _put(self, match: keys.Match, value: str) -> None:
        if match.key.many == keys.ONE:
            for position, (other, _value) in enumerate(self._lines):
                if other.name == match.name:
                    self._lines[position] = (match, value)
                    return
        self._lines.append((match, value))

    def _drop(self, name: str) -> None:
        self._lines = [line for line in self._lines if line[0].name != name]

    def _type(self, index: int) -> str:
        """LXC takes a network without a type for an empty one."""
        return self.get(f"lxc.net.{index}.type", "empty")

    def pairs(self) -> list[tuple[str, str]]:
        """All of it in lines' order, for `parser.from_pairs` in another process."""
        return [(match.name, value) for match, value in self._lines]

    def get(self, key: str, default: str = "") -> str:
        """The value; of a repeated key the last one."""
        for match, value in reversed(self._lines):
            if match.name == key:
                return value
        return default

    def get_int(self, key: str, default: int = 0) -> int:
        value = self.get(key)
        return values.number(value) if value else default

    def get_bool(self, key: str, default: bool = False) -> bool:
        return bool(self.get_int(key, int(default)))

    def get_list(self, key: str) -> list[str]:
        """The items in their order; lines of words are split as LXC splits them."""
        return [item for match, value in self._lines if match.name == key for item in keys.split(match.key, value)]

    def prefix(self, prefix: str) -> list[tuple[str, str]]:
        """What follows the prefix of a family, such as `lxc.cgroup.`, with its value, in lines' order."""
        return [(match.suffix, value) for match, value in self._lines if match.key.name == prefix]

    def hooks(self, name: str) -> list[str]:
        return self.get_list(f"lxc.hook.{name}")

    def network_type(self, index: int) -> Optional[str]:
        """The type of the network with that number; None: there is none."""
        return self._type(index) if any(match.index == index for match, _value in self._lines) else None

    @property
    def networks(self) -> list[Network]:
        if self._networks is None:
            self._networks = [self._network(index) for index in sorted({match.index for match, _value in self._lines if match.index >= 0})]
        return list(self._networks)

    def _network(self, index: int) -> Network:
        lines: dict[str, list[str]] = {}
        for match, value in self._lines:
            if match.index == index:
                lines.setdefault(match.suffix, []).extend(keys.split(match.key, value))
        found: dict[str, Any] = {}
        for field, default in Network._field_defaults.items():
            listed = lines.get(_FIELDS.get(field) or field.replace("_", "."))
            if listed:
                found[field] = listed if isinstance(default, list) else listed[-1]
            elif isinstance(default, list):
                found[field] = []
        return Network(index, self._type(index), **found)

    @property
    def rootfs_path(self) -> str:
        return self.get("lxc.rootfs.path")

    @property
    def rootfs_mount(self) -> str:
        return self.get("lxc.rootfs.mount")

    @property
    def uts_name(self) -> str:
        return self.get("lxc.uts.name")
