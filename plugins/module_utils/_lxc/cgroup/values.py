# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel takes in the files of a cgroup, as far as that can be known before it is written there.

A value stays in a config until the next start, which it would spoil. Sources: the kernel documents cgroup-v1/* and cgroup-v2.rst,
and what memparse() and kstrtoull() read. Of a file that is not named here nothing is known, and any value is good.
"""

from __future__ import annotations

import re

_NUMBER = r"(0[xX][0-9a-fA-F]+|[0-9]+)"
_BYTES = rf"{_NUMBER}[KMGTPEkmgtpe]?"
_DEVICE = r"[0-9]+:[0-9]+"
_OR_NONE = r"([0-9]+|\*)"
_LIST = r"(all|[0-9N][0-9N,:/\s-]*)"
_BYTES_WORDS = "a number of bytes, perhaps with one of K, M, G, T behind it"

# Files, values, what was expected; the first row whose files match decides.
_ROWS = (
    (r"memory\.((memsw|kmem|kmem\.tcp)\.)?(soft_)?limit_in_bytes", rf"-1|{_BYTES}", f"{_BYTES_WORDS}, or -1 for none"),
    (r"hugetlb\.[^.]+\.(rsvd\.)?limit_in_bytes", rf"-1|{_BYTES}", f"{_BYTES_WORDS}, or -1 for none"),
    (r"memory\.(min|low|high|max|swap\.high|swap\.max|zswap\.max)", rf"max|{_BYTES}", f"{_BYTES_WORDS}, or max"),
    (r"hugetlb\.[^.]+\.(rsvd\.)?max", rf"max|{_BYTES}", f"{_BYTES_WORDS}, or max"),
    (r"pids\.max", rf"max|{_NUMBER}", "a number of processes, or max"),
    (r"cpu\.(shares|cfs_period_us|rt_period_us|max\.burst)|net_cls\.classid", _NUMBER, "a whole number, not negative"),
    (r"cpu\.(cfs_quota_us|rt_runtime_us)", rf"-?{_NUMBER}", "a number of microseconds, or -1 for no limit"),
    (r"cpu\.weight", r"0*([1-9][0-9]{0,3}|10000)", "a number from 1 to 10000"),
    (r"cpu\.weight\.nice", r"-?(1?[0-9])|-20", "a number from -20 to 19"),
    (r"cpu\.max", rf"(max|{_NUMBER})(\s+{_NUMBER})?", "QUOTA PERIOD in microseconds, where QUOTA may be max"),
    (r"cpu\.idle|memory\.(oom\.group|use_hierarchy|oom_control)", r"[01]", "0 or 1"),
    (r"memory\.swappiness", _NUMBER, "a number from 0 to 200"),
    (r"cpuset\.(cpus|mems)(\.exclusive)?", _LIST, "numbers and ranges with commas between them, such as 0-3,6"),
    (r"cpuset\.cpus\.partition", r"root|member|isolated", "root, member or isolated"),
    (r"(blkio|io)\.(bfq\.)?weight", rf"((default|{_DEVICE})\s+)?{_NUMBER}|{_DEVICE}\s+default", "a number"),
    (r"io\.max", rf"{_DEVICE}(\s+[rw](bps|iops)=(max|[0-9]+))+", "MAJOR:MINOR and one or more of rbps=, wbps=, riops=, wiops="),
    (r"blkio\.throttle\.(read|write)_(bps|iops)_device", rf"{_DEVICE}\s+[0-9]+", "MAJOR:MINOR and a number"),
    (r"freezer\.state", r"FROZEN|THAWED", "FROZEN or THAWED"),
    (
        r"devices\.allow",
        rf"a(\s+\*:\*\s+[rwm]+)?|[bc]\s+{_OR_NONE}:{_OR_NONE}\s+[rwm]+|/\S+\s+[rwm]+",
        "a, or b or c, MAJOR:MINOR with * for any, and some of rwm",
    ),
    (
        r"devices\.deny",
        rf"a(\s+\*:\*\s+[rwm]+)?|[bc]\s+{_OR_NONE}:{_OR_NONE}\s+[rwm]+",
        "a, or b or c, MAJOR:MINOR with * for any, and some of rwm",
    ),
    (r"devices\..+", r"(?!)", "to be said as devices.allow or devices.deny"),
)


def problem(file: str, value: str) -> str:
    """What was expected instead, or nothing when the value may be good."""
    for files, values, expected in _ROWS:
        if re.fullmatch(files, file):
            return "" if re.fullmatch(values, value.strip()) else expected
    return ""
