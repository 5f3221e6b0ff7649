# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths below one container's directory that become paths below another's, and all that only looks like one."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import repoint

OLD, NEW = "/var/lib/lxc/p1", "/srv/lxc/web"
MOVES = [(OLD, NEW)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # one path and nothing else
        ("lxc.log.file = {}/p1.log", "lxc.log.file = {}/p1.log"),
        ("lxc.logfile={}/p1.log", "lxc.logfile={}/p1.log"),
        ("  lxc.console.path\t=  {}/tty  ", "  lxc.console.path\t=  {}/tty"),
        ("lxc.console = {}/tty", "lxc.console = {}/tty"),
        ("lxc.console.logfile = {}/con sole.log", "lxc.console.logfile = {}/con sole.log"),
        ("lxc.mount.fstab = {}/fstab", "lxc.mount.fstab = {}/fstab"),
        ("lxc.mount = {}/fstab", "lxc.mount = {}/fstab"),
        ("lxc.seccomp.profile = {}/policy", "lxc.seccomp.profile = {}/policy"),
        ("lxc.seccomp = {}/policy", "lxc.seccomp = {}/policy"),
        ("lxc.rootfs.mount = {}", "lxc.rootfs.mount = {}"),
        ('lxc.log.file = "{}/p1.log"', "lxc.log.file = {}/p1.log"),
        ('lxc.log.file = " {}/p1.log"', None),
        # commands
        ("lxc.hook.pre-start = {}/hooks/a.sh {} --dir={}/b '{}/c d' \"{}\"", ...),
        ("lxc.hook.post-stop = A={}/a sh -c 'cat <{}/in >{}/out; {}/run|{}/more&&({}/last)'", ...),
        ("lxc.hook.mount = /usr/bin/bind {}/a:/mnt,{}/b", ...),
        ("lxc.hook.clone = {}", ...),
        ("lxc.net.0.script.up = {}/up", ...),
        ("lxc.network.script.down = {}/down", ...),
        ("lxc.seccomp.notify.proxy = unix:{}/proxy", ...),
        ("lxc.mount.auto = proc:mixed shmounts:{}/shm", ...),
        # mounts
        ("lxc.mount.entry = {}/share srv none bind,create=dir 0 0", ...),
        ("lxc.mount.entry =  {}/a\\040b   {}/rootfs/mnt\tnone bind", ...),
        ("lxc.mount.entry = none o overlay lowerdir=/l,upperdir={}/u,workdir={}/w 0 0", ...),
        ("lxc.mount.entry = none o overlay ro,lowerdir={}/l:{}/m 0 0", None),  # it is only read, as lxc-copy leaves it
        ("lxc.mount.entry = /dev/sda1 {}/rootfs/mnt ext4 defaults 0 0", ...),
        ("lxc.mount.entry = {}", ...),
        # what is no path of ours
        ("lxc.log.file = {}0/p1.log", None),
        ("lxc.log.file = {}.log", None),
        ("lxc.log.file = /backup{}/p1.log", None),
        ("lxc.log.file = {}-old/p1.log", None),
        ("lxc.hook.stop = /x{}/a {}0 {}.old /var/lib/lxc/p10/a /var/lib/lxc p1 rsync://host{}/a", None),
        ("lxc.hook.stop = host:{}/a", ...),
        ("lxc.mount.entry = {}0/share srv none bind 0 0", None),
        ("lxc.mount.entry = /srv/{} srv none bind 0 0", None),
        ("lxc.uts.name = p1", None),
        ("lxc.environment = HOME={}/home", None),
        ("lxc.include = {}/more.conf", None),
        ("lxc.rootfs.path = dir:{}/rootfs", None),
        ("lxc.init.cmd = {}/init", None),
        ("lxc.hook.version = 1", None),
        ("# lxc.log.file = {}/p1.log", None),
        ("just {}/text", None),
        ("lxc.nonsense = {}/a", None),
        ("lxc.log.file =", None),
    ],
)
def test_a_line(line: str, expected: object) -> None:
    """None: it stays; `...`: every such path becomes another and nothing else changes."""
    before = line.replace("{}", OLD)
    after = before if expected is None else (line if expected is ... else str(expected)).replace("{}", NEW)
    for end in ("\n", ""):
        assert (
            repoint.repoint(before + end, MOVES)
            == after.rstrip() * (expected is not None and expected is not ...)
            + (after if expected is None or expected is ... else "")
            + end
        )


def test_several_slashes_are_one() -> None:
    assert repoint.path("//var/lib//lxc/p1//a", MOVES) == f"{NEW}//a"
    assert repoint.path("/var/lib/lxc/../lxc/p1/a", MOVES) == "/var/lib/lxc/../lxc/p1/a"


def test_of_two_places_the_longer_one_counts_and_what_was_put_in_is_not_looked_at_again() -> None:
    moves = [("/lxc/p1", "/lxc/p1/snaps/snap0"), ("/lxc/p1/rootfs", "/lxc/p1/rootfs"), ("/lxc/p2", "/lxc/p1")]
    text = "lxc.hook.stop = /lxc/p1/a /lxc/p1/rootfs/b /lxc/p2/c\n"
    assert repoint.repoint(text, moves) == "lxc.hook.stop = /lxc/p1/snaps/snap0/a /lxc/p1/rootfs/b /lxc/p1/c\n"


def test_a_name_with_signs_that_mean_something_elsewhere() -> None:
    moves = [("/lxc/a+b.c", r"/lxc/\1")]
    assert repoint.words("/lxc/a+b.c/x /lxc/aab.c/x /lxc/a+bxc", moves) == r"/lxc/\1/x /lxc/aab.c/x /lxc/a+bxc"


def test_a_place_with_a_blank() -> None:
    moves = [("/my lxc/p1", "/my lxc/p2")]
    assert repoint.fstab("/my\\040lxc/p1/a b none bind\n", moves) == "/my\\040lxc/p2/a b none bind\n"
    assert repoint.path("/my lxc/p1/log", moves) == "/my lxc/p2/log"


def test_a_whole_file_keeps_its_order_comments_and_line_ends() -> None:
    text = f"# {OLD}\r\n\n  lxc.log.file={OLD}/a\nlxc.uts.name = p1\n\n# end"
    assert repoint.repoint(text, MOVES) == f"# {OLD}\r\n\n  lxc.log.file={NEW}/a\nlxc.uts.name = p1\n\n# end"
    assert repoint.repoint(text, [("/else", "/where")]) == text
    assert repoint.repoint(text, []) == text


def test_an_fstab() -> None:
    text = f"# {OLD}/a\n{OLD}/a\tmnt\tnone\tbind\n\n  {OLD}/b {OLD}/rootfs/b none bind,upperdir={OLD}/u 0 0\n{OLD}0/a c none bind\n"
    after = f"# {OLD}/a\n{NEW}/a\tmnt\tnone\tbind\n\n  {NEW}/b {NEW}/rootfs/b none bind,upperdir={NEW}/u 0 0\n{OLD}0/a c none bind\n"
    assert repoint.fstab(text, MOVES) == after


def test_the_scripts_that_hooks_name() -> None:
    text = f"""lxc.hook.pre-start = /bin/sh -e {OLD}/hooks/a.sh --x={OLD}/data
lxc.hook.stop = {OLD}0/b.sh
lxc.hook.stop = "{OLD}/b.sh"
lxc.network.type = veth
lxc.network.script.up = {OLD}/up
lxc.log.file = {OLD}/log
lxc.hook.version = 0
lxc.hook.mount = {OLD}/void
lxc.hook.mount =
"""
    assert repoint.scripts(text, OLD) == [f"{OLD}/hooks/a.sh", f"{OLD}/data", f"{OLD}/b.sh", f"{OLD}/up"]


def test_the_sources_of_mounts_that_must_not_fail() -> None:
    text = "".join(
        f"lxc.mount.entry = {row}\n"
        for row in ("/a\\040b x none bind", "/c x none bind,optional", "tmpfs x tmpfs", "/d x none rbind,ro 0 0", "/e")
    )
    assert list(repoint.sources(text)) == [
        ("/a\\040b x none bind", "/a b"),
        ("/d x none rbind,ro 0 0", "/d"),
        ("/e", "/e"),
    ]
