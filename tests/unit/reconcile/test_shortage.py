# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which limit is close, what is said of it, and when anybody looks."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError, StepError, TimedOut
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import usage
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel.usage import Usage
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import shortage
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client

INSTANCES = "fs.inotify.max_user_instances"
# As they were counted with so many Debian containers that have booted; of 20 some were degraded.
DEBIANS = {3: 18, 15: 99, 16: 106, 18: 113, 20: 110}


@pytest.mark.parametrize(("containers", "close"), [(3, False), (15, False), (16, True), (18, True), (20, True)])
def test_a_host_as_it_is_delivered_is_short_from_sixteen_debians_on(containers, close):
    assert bool(shortage.close_to([Usage(INSTANCES, 128, DEBIANS[containers], "uid 0")])) == close


def test_it_is_named_with_its_value_its_use_and_what_to_set():
    (said,) = shortage.close_to([Usage(INSTANCES, 128, 110, "uid 0")])
    for word in ("fs.inotify.max_user_instances is 128", "uid 0 uses 110", "sysctl -w fs.inotify.max_user_instances=1024"):
        assert word in said


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (Usage("kernel.pid_max", 32768, 32000), 4194304),
        (Usage("kernel.keys.maxkeys", 200, 190, "uid 100"), 2000),
        (Usage(INSTANCES, 1024, 1000, "uid 0"), 2048),
        (Usage("fs.file-max", 1000, 900), 2000),
        (Usage("user.max_inotify_instances", 0, 0, "uid 0"), 1024),
    ],
)
def test_each_has_a_value_that_is_enough(one, wanted):
    (said,) = shortage.close_to([one])
    assert f"set it to {wanted} (sysctl -w {one.sysctl}={wanted})" in said


def test_what_is_no_sysctl_is_set_by_its_own_order():
    (said,) = shortage.close_to([Usage("RLIMIT_NOFILE of process 7 (some)", 64, 60, "", "prlimit --pid 7 --nofile={}")])
    assert said.startswith("RLIMIT_NOFILE of process 7 (some) is 64, of which 60 are used")
    assert said.endswith("so set it to 128 (prlimit --pid 7 --nofile=128)")


@pytest.mark.parametrize(("used", "close"), [(24, False), (25, True)])
def test_what_one_more_container_takes_must_be_left(used, close):
    assert bool(shortage.close_to([Usage("RLIMIT_NOFILE of process 7 (some)", 40, used, needs=16)])) == close


@pytest.mark.parametrize(("used", "close"), [(79, False), (80, True), (100, True), (101, True)])
def test_close_is_less_than_a_fifth_left(used, close):
    assert bool(shortage.close_to([Usage("kernel.keys.maxkeys", 100, used)])) == close


@pytest.fixture
def host(monkeypatch):
    """How many containers run, and what is used; how often that was looked at."""

    class Host:
        running, usages, looks = 20, [Usage(INSTANCES, 128, 127, "uid 0")], 0

        def read(self):
            self.looks += 1
            return self.usages

    host = Host()
    monkeypatch.setattr(client, "count_running", lambda: host.running)
    monkeypatch.setattr(usage, "read", host.read)
    return host


def test_a_start_among_many_warns(host):
    (warning,) = shortage.look([])
    assert INSTANCES in warning


def test_what_is_forbidden_is_told_to_who_failed_and_warned_of_to_nobody(host):
    host.usages = [Usage("user.max_user_namespaces", 0, 0)]
    assert shortage.look([]) == [] and host.looks == 1
    error = StepError("start", "Clone", "m1", errno.ENOSPC)
    shortage.look([error])
    assert error.hint.startswith("user.max_user_namespaces is 0")


def test_the_processes_that_hold_the_monitor_s_claim_are_looked_at(host, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "MONITOR_CLAIM", str(tmp_path / "claim"))
    (tmp_path / "claim").touch()
    program = [sys.executable, "-c", f"import sys; file = open({str(tmp_path / 'claim')!r}); print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        resource.prlimit(holder.pid, resource.RLIMIT_NOFILE, (4, 4096))
        warnings = shortage.look([])
    assert any(said.startswith(f"RLIMIT_NOFILE of process {holder.pid} ") and "is 4, of which 4 are used" in said for said in warnings)


def test_with_few_containers_nobody_looks(host):
    host.running = 7
    assert shortage.look([LxcError("something else")]) == [] and host.looks == 0


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.ETIMEDOUT])
def test_a_start_that_failed_for_want_of_something_says_of_what(host, number):
    host.running = 1
    errors = [StepError("start", "Fork a launcher for", "m1", number), TimedOut("m2 was not running", hint="Say more"), LxcError("m3")]
    assert shortage.look(errors) == []
    assert INSTANCES in errors[0].hint and errors[1].hint.startswith("Say more. fs.inotify") and errors[2].hint == ""
    assert host.looks == 1, "all are explained by one look"


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, 0])
def test_another_failure_is_not_explained_by_it(host, number):
    host.running = 1
    error = StepError("mount", "Mount", "/x", number)
    shortage.look([error])
    assert error.hint == "" and host.looks == 0
