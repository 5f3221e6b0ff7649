# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading: lines, files, includes, and what is left of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import items, parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config.model import Network
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import ConfigError, NotFound

LEGACY = """\
# Template used to create this container: ubuntu
lxc.include = {include}
lxc.rootfs = /var/lib/lxc/p1/rootfs
lxc.rootfs.backend = overlay
lxc.utsname = p1
lxc.kmsg = 0
lxc.network.type = veth
lxc.network.flags = up
lxc.network.link = lxcbr0
lxc.network.ipv4 = 10.0.3.5/24
lxc.network.ipv4 = 10.0.3.6/24

lxc.network.type = macvlan
lxc.network.link = eth0
lxc.network.0.name = eth7
"""


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("lxc.uts.name = p1", "p1"),
        ("lxc.uts.name=p1", "p1"),
        (" \tlxc.uts.name \t= \t p1 \t", "p1"),
        ('lxc.uts.name = " p1 "', " p1 "),
        ("lxc.uts.name = 'p1'", "p1"),
        ("lxc.uts.name = 'p1\"", "'p1\""),
        ("lxc.uts.name = '", "'"),
        ("lxc.uts.name = ''p1''", "'p1'"),
        ("lxc.uts.name = p1 # no comment", "p1 # no comment"),
        ("lxc.uts.name = a=b", "a=b"),
        ("lxc.uts.name =", ""),
        ('lxc.uts.name = ""', ""),
    ],
)
def test_a_line(line: str, value: str) -> None:
    (entry,) = parser.parse(line).entries
    assert (entry.key, entry.value) == ("lxc.uts.name", value)


@pytest.mark.parametrize(
    "text", ["", "\n", "lxc.uts.name = a", "# a\n\n\x0c\nlxc.tty = 4\n\u2028lxc\n", "a\r\n\rlxc.uts.name = b\n", "\n\n"]
)
def test_the_raw_lines_are_the_file(text: str) -> None:
    assert "".join(entry.raw for entry in parser.parse(text).entries) == text


def test_lines_that_lxc_ignores_are_warnings_with_file_and_line() -> None:
    text = "# comment\n\n  # too\nlxc.autodev = 1\nuts.name = secret\nlxcfs\n \t\r\n\x0c\n"
    assert parser.loads(text, "/x/config").warnings == [
        "/x/config:5: this line has no effect: 'uts.name' does not begin with lxc.",
        "/x/config:6: this line has no effect: 'lxcfs' does not begin with lxc.",
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("\nlxc.nosuch = 1\n", 2, "no such key"),
        ("lxc.uts.name\n", 1, "has no ="),
        ("\n\nlxc.autodev = maybe\n", 3, "0 or 1"),
        ("lxc.uts.name = p1\r\n", 1, "carriage return"),
        ("lxc.uts.name = p\0\n", 1, "NUL"),
        ("lxc.net.0.type = phys\nlxc.net.0.veth.pair = x\n", 2, "type = veth"),
        ("lxc.net.0.veth.pair = x\nlxc.net.0.type = veth\n", 1, "type = veth"),
        ("lxc.cap.drop = chown\nlxc.cap.keep = kill\n", 2, "without lxc.cap.drop"),
        ("lxc.namespace.keep = net\nlxc.namespace.clone = uts\n", 2, "without lxc.namespace.keep"),
        ("lxc.include = common.conf\n", 1, "absolute"),
        ("lxc.include = /nonexistent/x.conf\n", 1, "No such file"),
    ],
)
def test_an_error_names_the_line(text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parser.loads(text, "/x/config")
    assert (caught.value.file, caught.value.line) == ("/x/config", line)


def test_a_legacy_file(tmp_path: Path) -> None:
    (tmp_path / "common.conf").write_text("lxc.network.type = empty\nlxc.tty = 4\n")
    config = parser.loads(LEGACY.format(include=tmp_path / "common.conf"), "/x/config")
    assert config.rootfs_path == "overlay:/var/lib/lxc/p1/rootfs"
    assert config.uts_name == "p1"
    assert config.get_int("lxc.tty.max") == 4
    assert config.warnings == ["/x/config:6: lxc.kmsg has no effect since LXC 2.1"]
    assert [(network.index, network.type, network.link) for network in config.networks] == [
        (0, "empty", ""),
        (1, "veth", "lxcbr0"),
        (2, "macvlan", "eth0"),
    ]
    assert config.networks[1].ipv4 == ["10.0.3.5/24", "10.0.3.6/24"]
    assert config.networks[0].name == "eth7"


@pytest.mark.parametrize("rootfs", ["overlayfs:/a:/b", "/dev/vg/p1"])
def test_a_legacy_rootfs_without_backend_stays(rootfs: str) -> None:
    assert parser.loads(f"lxc.rootfs = {rootfs}\n").rootfs_path == rootfs


def test_includes_come_in_their_place(tmp_path: Path) -> None:
    parts = tmp_path / "parts.d"
    parts.mkdir()
    (parts / "b.conf").write_text("lxc.group = from-b\n")
    (parts / "a.conf").write_text("lxc.group = from-a")
    (parts / "c.txt").write_text("lxc.nosuch = 1\n")
    (parts / ".conf").write_text("lxc.nosuch = 1\n")
    (tmp_path / "one.conf").write_text(f"lxc.group = one\ntypo = 1\nlxc.include = {parts}\n")
    path = tmp_path / "config"
    path.write_text(f"lxc.group = first\nlxc.include = {tmp_path}/one.conf\nlxc.include = {tmp_path}/none.d/\nlxc.group = last\n")
    config = parser.load(str(path))
    assert config.get_list("lxc.group") == ["first", "one", "from-a", "from-b", "last"]
    assert config.warnings == [f"{tmp_path}/one.conf:2: this line has no effect: 'typo' does not begin with lxc."]


def test_an_error_in_an_include_names_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "one.conf").write_text("\nlxc.autodev = 7\n")
    with pytest.raises(ConfigError) as caught:
        parser.loads(f"lxc.include = {tmp_path}/one.conf\n")
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "one.conf"), 2)


def test_a_loop_of_includes_is_an_error_that_names_the_way(tmp_path: Path) -> None:
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "a").write_text(f"lxc.include = {tmp_path}/c\n")
    (tmp_path / "c").write_text(f"\nlxc.include = {tmp_path}/b\n")
    with pytest.raises(ConfigError, match=f"include each other: {tmp_path}/a -> {tmp_path}/c -> {tmp_path}/a") as caught:
        parser.load(str(tmp_path / "a"))
    assert (caught.value.file, caught.value.line) == (f"{tmp_path}/c", 2)


def test_the_same_file_twice_is_no_loop(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("lxc.group = a\n")
    assert parser.loads(f"lxc.include = {tmp_path}/a\n" * 2).get_list("lxc.group") == ["a", "a"]


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nosuch does not exist"):
        parser.load(str(tmp_path / "nosuch"))
    with pytest.raises(ConfigError, match="directory"):
        parser.load(str(tmp_path))


def test_bytes_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(b"lxc.uts.name = \xff\r\n")
    assert parser.read(str(path)).encode("utf-8", "surrogateescape") == b"lxc.uts.name = \xff\r\n"


def test_values_of_each_sort() -> None:
    config = parser.loads(
        "lxc.cap.drop = sys_time \tmac_admin\nlxc.cap.drop = chown\nlxc.group = a,b c\nlxc.mount.entry = x y\n"
        "lxc.mount.entry = z w\nlxc.start.order = 0x10\nlxc.autodev = 0\nlxc.init.groups = 1, 2\nlxc.init.groups = 3\n"
        "lxc.hook.pre-start = /a b\nlxc.cgroup.devices.deny = a\nlxc.cgroup.dir = x\nlxc.cgroup.devices.allow = c 1:3 rwm\n"
        "lxc.cgroup.devices.deny = b *:* m\nlxc.environment = A=1\n"
    )
    assert config.get_list("lxc.cap.drop") == ["sys_time", "mac_admin", "chown"]
    assert config.get_list("lxc.group") == ["a,b", "c"]
    assert config.get_list("lxc.mount.entry") == ["x y", "z w"]
    assert config.get_list("lxc.init.groups") == ["1", "2", "3"]
    assert config.get_list("lxc.uts.name") == []
    assert config.get("lxc.mount.entry") == "z w"
    assert config.get_int("lxc.start.order") == 16
    assert (config.get_int("lxc.tty.max", 4), config.get_int("lxc.tty.max")) == (4, 0)
    assert config.get_bool("lxc.autodev", True) is False
    assert config.get_bool("lxc.no_new_privs", True) is True
    assert config.hooks("pre-start") == ["/a b"]
    assert config.prefix("lxc.cgroup.") == [("devices.deny", "a"), ("devices.allow", "c 1:3 rwm"), ("devices.deny", "b *:* m")]


CLEARED = [
    ("lxc.mount.entry = a\nlxc.mount.entry =\nlxc.mount.entry = b\n", "lxc.mount.entry", ["b"]),
    ("lxc.cap.drop = chown\nlxc.cap.keep =\n", "lxc.cap.drop", []),
    ("lxc.hook.start = /a\nlxc.hook =\n", "lxc.hook.start", []),
    ("lxc.hook.version = 1\nlxc.hook =\n", "lxc.hook.version", ["1"]),
    ("lxc.cgroup.dir = a\nlxc.cgroup =\n", "lxc.cgroup.dir", ["a"]),
    ("lxc.cgroup.a.b = 1\nlxc.cgroup =\n", "lxc.cgroup.a.b", []),
    ("lxc.cgroup2.a.b = 1\nlxc.cgroup =\n", "lxc.cgroup2.a.b", ["1"]),
    ("lxc.cgroup.a.b = 1\nlxc.cgroup.a.b =\n", "lxc.cgroup.a.b", []),
    ("lxc.net.0.type = veth\nlxc.net.0.link = a\nlxc.net.0.type = veth\n", "lxc.net.0.link", []),
    ("lxc.net.0.type = veth\nlxc.net.0.link = a\nlxc.net =\n", "lxc.net.0.type", []),
    ("lxc.net.0.type = veth\nlxc.net.1.type = phys\nlxc.net.0 =\n", "lxc.net.1.type", ["phys"]),
    ("lxc.net.1.type = veth\nlxc.net.10.type = phys\nlxc.net.1 =\n", "lxc.net.10.type", ["phys"]),
    ("lxc.autodev = 1\nlxc.autodev =\n", "lxc.autodev", ["0"]),
    ("lxc.tty.max = 1\nlxc.tty.max =\n", "lxc.tty.max", []),
    ("lxc.uts.name = a\nlxc.uts.name = b\n", "lxc.uts.name", ["b"]),
]


@pytest.mark.parametrize(("text", "key", "left"), CLEARED)
def test_what_a_line_does_to_those_above_it(text: str, key: str, left: list[str]) -> None:
    assert parser.loads(text).get_list(key) == left


def test_a_network_has_every_key_of_the_table() -> None:
    text = (
        "lxc.net.3.type = veth\nlxc.net.3.link = br0\nlxc.net.3.name = eth0\nlxc.net.3.hwaddr = 00:16:3e:00:00:01\n"
        "lxc.net.3.flags = up\nlxc.net.3.mtu = 1400\nlxc.net.3.veth.pair = p\nlxc.net.3.veth.mode = router\n"
        "lxc.net.3.ipv4.address = 10.0.0.2/24\nlxc.net.3.ipv4.gateway = auto\nlxc.net.3.ipv6.address = fd00::2/64\n"
        "lxc.net.3.ipv6.gateway = fd00::1\nlxc.net.3.script.up = /up\nlxc.net.3.script.down = /down\n"
        "lxc.net.3.veth.ipv4.route = 10.1.0.0/16\nlxc.net.3.veth.ipv6.route = fd01::/64\nlxc.net.3.l2proxy = 1\n"
        "lxc.net.3.veth.vlan.id = none\nlxc.net.3.veth.vlan.tagged.id = 5\nlxc.net.3.veth.n_rxqueues = 2\nlxc.net.3.veth.n_txqueues = 4\n"
    )
    assert parser.loads(text).networks == [
        Network(
            3, "veth", "br0", "eth0", "00:16:3e:00:00:01", "up", "1400", "p", "router", ["10.0.0.2/24"], "auto", ["fd00::2/64"],
            "fd00::1", "", "", "", "", ["/up"], ["/down"], ["10.1.0.0/16"], ["fd01::/64"], "1", "none", ["5"], "2", "4",
        )
    ]  # fmt: skip
    others = "lxc.net.0.type = vlan\nlxc.net.0.vlan.id = 7\nlxc.net.1.type = macvlan\nlxc.net.1.macvlan.mode = vepa\n"
    others += "lxc.net.2.type = ipvlan\nlxc.net.2.ipvlan.mode = l3\nlxc.net.2.ipvlan.isolation = private\n"
    assert parser.loads(others).networks == [
        Network(0, "vlan", vlan_id="7"),
        Network(1, "macvlan", macvlan_mode="vepa"),
        Network(2, "ipvlan", ipvlan_mode="l3", ipvlan_isolation="private"),
    ]


def test_networks_come_in_the_order_of_their_numbers() -> None:
    config = parser.loads("lxc.net.10.type = phys\nlxc.net.2.type = veth\nlxc.net.3.link = x\n")
    assert [(network.index, network.type) for network in config.networks] == [(2, "veth"), (3, "empty"), (10, "phys")]


def test_pairs_carry_a_config_to_another_process() -> None:
    text = "".join(text for text, _key, _left in CLEARED) + "lxc.cap.drop = chown kill\nlxc.rootfs.path = dir:/x\n"
    config = parser.loads(text)
    again = parser.from_pairs(config.pairs(), "x")
    assert again.pairs() == config.pairs()
    assert again.networks == config.networks
    assert again.get_list("lxc.cap.drop") == ["chown", "kill"]


@pytest.mark.parametrize(
    ("line", "key", "printed"),
    [
        ("lxc.init.uid = 0x10", "lxc.init.uid", "16"),
        ("lxc.signal.halt = SIGRTMIN+3", "lxc.signal.halt", "37"),
        ("lxc.group = a b", "lxc.group", "a\nb\n"),
        ("lxc.rootfs.path = dir:/x//y/", "lxc.rootfs.path", "/x/y"),
        ("lxc.net.0.ipv4.address = 10.0.0.1/8", "lxc.net.0.ipv4.address", "10.0.0.1/8"),
        ("lxc.cgroup.a.b = 1", "lxc.cgroup", "lxc.cgroup.a.b = 1\n"),
        ("", "lxc.tty.max", "0"),
        ("", "lxc.uts.name", None),
        ("", "lxc.nosuch", None),
        ("", "lxc.net.0.link", None),
        ("lxc.net.0.type = veth", "lxc.net.0", None),
    ],
)
def test_items_are_printed_as_by_lxc(line: str, key: str, printed: str) -> None:
    """A few, for where the oracle is not; it compares all."""
    assert items.item(parser.loads(line), key) == printed


def test_what_is_wrong_can_be_passed_over_and_is_told(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.write_text(f"lxc.include = {loop}\nlxc.start.auto = 1\n")
    text = (
        f"lxc.nonsense = 1\nlxc.autodev = 7\nlxc.include = /nowhere.conf\nlxc.include = relative\nlxc.include = {loop}\nlxc.uts.name = p1\n"
    )
    problems: list[ConfigError] = []
    config = parser.loads(text, "f", problems)
    assert (config.uts_name, config.get("lxc.start.auto"), config.get("lxc.autodev")) == ("p1", "1", "")
    assert sorted((problem.file, problem.line) for problem in problems) == [(str(loop), 1), ("f", 1), ("f", 2), ("f", 3), ("f", 4)]
    for line in text.splitlines()[:5]:
        with pytest.raises(ConfigError):
            parser.loads(line + "\n", "f")
