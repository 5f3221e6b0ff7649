# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that LXC takes into a config and a start, or the kernel, refuses later. In a file they may be meant for another host or
a newer kernel; in a task they are a mistake."""

from __future__ import annotations

import re

from ..config.keys import Match
from ..errors import BadValue, StepError

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_+@-]|\.(?!\.|$))*")
# Words of fstab(5) that are for others than the kernel.
_FOR_OTHERS = re.compile(r"auto|noauto|nofail|user|nouser|users|owner|group|_netdev|comment=.*|x-.*|X-.*")


def check(option: str, match: Match, item: str) -> None:
    """Raise BadValue for one value of this key that could not be used. An empty one clears the list, and a host must have a name."""
    if match.key.kind == "hostname":
        _host_name(option, item)
    elif not item:
        return
    elif match.key.kind.startswith("capabilities"):
        _capabilities(option, item)
    elif match.key.name in ("lxc.cgroup.", "lxc.cgroup2."):
        _cgroup(option, match.suffix, item)
    elif match.key.name == "lxc.mount.entry":
        _mount(option, item)
    elif match.key.name == "lxc.rootfs.path":
        _root(option, item)
    elif match.key.name == "lxc.prlimit.":
        _limit(option, match.suffix, item)
    else:
        expected = _expected(match, item)
        if expected:
            raise BadValue(option, item, expected)


def _expected(match: Match, item: str) -> str:
    """What is wrong with values of which one look is enough; "" for nothing."""
    name = match.key.name
    wrong = {
        "lxc.rootfs.options": (bool(set(item) & set(" \t")), "mount options with commas between them, and no blanks"),
        "lxc.include": (not item.startswith("/"), "an absolute path"),
        "lxc.sysctl.": (".." in match.suffix.split("/"), "the name of a sysctl in the key"),
        "lxc.net.N.mtu": (item.isdigit() and 0 < int(item) < 68, "at least 68, the least that IPv4 works with"),
        "lxc.net.N.hwaddr": (item[1:2] in "13579bdfBDF", "the address of one interface, whose first byte is an even number"),
        "lxc.net.N.name": (item in ("lo", ".", ".."), "another name than lo, which every network has"),
        "lxc.net.N.veth.pair": (item in ("lo", ".", ".."), "another name than lo, which the host has"),
        "lxc.net.N.vlan.id": (item.isdigit() and int(item) > 4094, "a number from 0 to 4094"),
    }
    is_wrong, expected = wrong.get(name, (False, ""))
    return expected if is_wrong else ""


def _root(option: str, item: str) -> None:
    from ..errors import Unsupported
    from ..storage import backends

    try:
        backends.for_rootfs(item)
    except BadValue as error:
        raise BadValue(option, item, f"{error.expected}, perhaps with the name of a backing store and a colon before it") from error
    except Unsupported:  # a start says so; another version may have it
        return


def _limit(option: str, name: str, item: str) -> None:
    import resource

    from ..config import values

    if not hasattr(resource, f"RLIMIT_{name.upper()}"):
        raise BadValue(option, name, "a limit of setrlimit(2) in small letters, such as nofile")
    soft, hard = values.limit(item)
    if hard >= 0 and not 0 <= soft <= hard:
        raise BadValue(option, item, "SOFT:HARD, with no higher soft limit than the hard one")


def _capabilities(option: str, item: str) -> None:
    from ..security import capabilities

    for word in item.split():
        if word != "none" and not capabilities.is_known(word):
            raise BadValue(option, word, "a capability of capabilities(7) in small letters, without cap_")


def _cgroup(option: str, file: str, item: str) -> None:
    from ..cgroup import values

    problem = values.problem(file, item)
    if problem:
        raise BadValue(option if "[" in option else f"{option}[{file}]", item, problem)


def _host_name(option: str, item: str) -> None:
    """What containers may be named, which is more than hostname(7) has: the name is a container's own as a rule."""
    if not _HOST.fullmatch(item) and (item or option == "hostname"):
        raise BadValue(option, item, "a host name of the letters A-Z a-z, digits and - _ + @ ., not beginning with - or .")


def _mount(option: str, item: str) -> None:
    from ..kernel import mount_options
    from ..rootfs import mounts

    try:
        entry = mounts.parse(item, option)
    except StepError as error:
        raise BadValue(option, item, "SOURCE TARGET TYPE OPTIONS, as in fstab(5)") from error
    words = entry.options.split(",")
    if ".." in entry.target.split("/"):
        raise BadValue(option, item, "a target without .. in it")
    if "bind" in words or "rbind" in words:
        data = mount_options.parse_options(entry.options)[3]
        unknown = [word for word in data.split(",") if word and not _FOR_OTHERS.fullmatch(word)]
        if unknown:
            raise BadValue(option, item, f"options of mount(8) for a bind mount, and {', '.join(unknown)} is none")
    elif entry.fstype == "none" and "remount" not in words:
        raise BadValue(option, item, "bind or rbind among the options, or the type of a filesystem")


def near(key: str) -> str:
    """A hint for a key that LXC does not have."""
    from difflib import get_close_matches

    from ..config import keys

    near = get_close_matches(key, sorted({row.name.rstrip(".") for row in keys.KEYS}), 3)
    return f"Near to it: {', '.join(near)}" if near else ""
