# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for what few tasks say: a container that is gone once it stops, one that moves, one that is written to a file."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors, paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.besides import Besides
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.desired import Desired, Observed
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.parameters import desired

ONE, BASE = paths.container("one", "/nowhere"), paths.container("base", "/nowhere")


class Recorder:
    """Verbs that only remember what was asked; what they are asked about the host is set."""

    def __init__(self, **answers):
        self.calls = []
        self.answers = {"has_archive": False, "is_atomic": False, "is_unfinished": False, **answers}

    def foresee(self, desired):
        return f"lxc.uts.name = {desired.container.name}\n"

    def foresee_move(self, desired):
        return f"lxc.rootfs.path = {desired.backing_store}:/nowhere/one/new\n"

    def __getattr__(self, verb):
        if verb in self.answers:
            return lambda _desired: self.answers[verb]
        return lambda _desired: self.calls.append(verb)


def calls(state, observed, besides, verbs=None, **more):
    verbs = verbs or Recorder()
    for change in container.plan(Desired(ONE, state, besides=besides, **more), observed, verbs).changes:
        change.apply()
    return verbs.calls


ABSENT, STOPPED = Observed("absent"), Observed("defined", "STOPPED", rootfs="dir:/nowhere/one/rootfs")
RUNNING, FROZEN = STOPPED._replace(state="RUNNING"), STOPPED._replace(state="FROZEN")


@pytest.mark.parametrize(
    ("state", "observed", "expected"),
    [
        ("started", ABSENT, ["create", "start"]),
        ("started", Observed("half-made"), ["create", "start"]),
        ("stopped", ABSENT, []),
        ("stopped", Observed("half-made"), []),
        ("stopped", RUNNING._replace(ephemeral=True), ["stop"]),
        ("present", ABSENT, ["create"]),
        ("started", RUNNING, []),
        ("absent", RUNNING, ["stop", "destroy"]),
    ],
)
def test_ephemeral(state, observed, expected):
    assert calls(state, observed, Besides(ephemeral=True), clone=(BASE, True)) == expected


def test_one_that_is_gone_once_it_is_stopped():
    observed = RUNNING._replace(ephemeral=True)
    [stop] = container.plan(Desired(ONE, "stopped"), observed, Recorder()).changes
    assert stop.after == "ABSENT"
    for wanted in (Desired(ONE, "restarted"), Desired(ONE, restart_if_needed=True, config={"lxc.tty.max": "4"})):
        with pytest.raises(errors.InUse, match=r"one is ephemeral.*cannot be restarted"):
            container.plan(wanted, observed._replace(running={"lxc.tty.max": "1"}), Recorder())


@pytest.mark.parametrize(
    ("state", "observed", "expected"),
    [
        ("present", STOPPED, ["move"]),
        ("started", STOPPED, ["move", "start"]),
        ("stopped", RUNNING, ["stop", "move"]),
        ("restarted", FROZEN, ["stop", "move", "start"]),
        ("present", STOPPED._replace(rootfs="loop:/nowhere/one/rootdev"), []),
        ("started", ABSENT, ["create", "start"]),
        ("absent", STOPPED, ["destroy"]),
    ],
)
def test_migrate(state, observed, expected):
    more = {"backing_store": "loop", "backing_options": {"size": "1G"}, "template": "busybox"}
    size = None if observed.rootfs and observed.rootfs.startswith("dir") else 1 << 30
    if state == "absent":
        observed = observed._replace(rootfs=None)
    assert calls(state, observed._replace(size=size), Besides(migrate=True), **more) == expected


@pytest.mark.parametrize("state", ["present", "started", "frozen"])
def test_one_that_runs_does_not_move(state):
    with pytest.raises(errors.InUse, match="one is RUNNING: it cannot be moved to loop"):
        calls(state, RUNNING, Besides(migrate=True), backing_store="loop")


def test_a_move_that_was_cut_off_is_brought_to_its_end():
    verbs = Recorder(is_unfinished=True)
    plan = container.plan(Desired(ONE, "present", backing_store="dir", besides=Besides(migrate=True)), STOPPED, verbs)
    assert [change.describe for change in plan.changes] == ["finish moving one to dir"]


def test_without_it_the_error_says_so():
    with pytest.raises(errors.BadValue, match="expected dir, as one exists") as caught:
        calls("present", STOPPED, None, backing_store="loop")
    assert "migrate: true" in caught.value.hint


ARCHIVE = Besides(archive="/srv/one.tar.gz")


@pytest.mark.parametrize(
    ("state", "observed", "expected"),
    [
        ("present", STOPPED, ["archive"]),
        ("started", STOPPED, ["archive", "start"]),
        ("started", ABSENT, ["create", "archive", "start"]),
        ("restarted", RUNNING, ["stop", "archive", "start"]),
        ("stopped", RUNNING, ["stop", "archive"]),
        ("frozen", RUNNING, ["freeze", "archive"]),
        ("frozen", STOPPED, ["archive", "start", "freeze"]),
        ("present", FROZEN, ["archive"]),
        ("started", FROZEN, ["archive", "thaw"]),
        ("absent", STOPPED, ["archive", "destroy"]),
        ("absent", RUNNING, ["stop", "archive", "destroy"]),
        ("absent", ABSENT, []),
    ],
)
def test_archive(state, observed, expected):
    observed = observed._replace(rootfs=None)
    assert calls(state, observed, ARCHIVE, template="busybox") == expected
    without = [call for call in expected if call != "archive"]
    assert calls(state, observed, ARCHIVE, Recorder(has_archive=True), template="busybox") == without
    assert calls(state, observed, ARCHIVE._replace(force=True), Recorder(has_archive=True), template="busybox") == expected


@pytest.mark.parametrize("state", ["present", "started"])
def test_one_that_runs_is_written_in_one_moment_or_not_at_all(state):
    with pytest.raises(errors.InUse, match=r"one is RUNNING: its files may change while they are written to /srv/one.tar.gz"):
        calls(state, RUNNING._replace(rootfs=None), ARCHIVE)
    assert calls(state, RUNNING._replace(rootfs=None), ARCHIVE, Recorder(is_atomic=True)) == ["archive"]


@pytest.mark.parametrize(
    ("params", "option", "expected"),
    [
        ({"ephemeral": True}, "ephemeral", "clone_from with it"),
        ({"ephemeral": True, "template": "busybox"}, "ephemeral", "clone_from with it"),
        ({"ephemeral": True, "clone_from": "base", "state": "restarted"}, "ephemeral", "another state"),
        ({"ephemeral": True, "clone_from": "base", "config": {"lxc.ephemeral": 0}}, "ephemeral", "only one"),
        ({"ephemeral_tmpfs": True}, "ephemeral_tmpfs", "ephemeral: true"),
        ({"migrate": True}, "migrate", "backing_store"),
        ({"migrate": True, "backing_store": "dir", "new_name": "two"}, "migrate", "no new_name"),
        ({"force": True}, "force", "archive with it"),
        ({"archive": "/x.zip"}, "archive", "ends with .tar.zst, .tar.xz or .tar.gz"),
        ({"archive": "x.tar.gz"}, "archive", "an absolute path"),
        ({"archive": "/a/../x.tar.gz"}, "archive", "an absolute path"),
        ({"name": ["one", "two"], "archive": "/x.tar.gz"}, "archive", "%n"),
    ],
)
def test_what_cannot_be_meant(params, option, expected):
    with pytest.raises(errors.BadValue, match=f"for {option}: .*{expected}"):
        desired({"name": ["one"], **params}, "/lxc")


def test_what_is_said_of_one_that_is_gone_once_it_stops():
    [wanted] = desired({"name": ["one"], "clone_from": "base", "ephemeral": True, "ephemeral_tmpfs": True}, "/lxc")
    assert wanted.clone == (("/lxc", "base"), True) and wanted.config == {"lxc.ephemeral": "1"}
    assert wanted.besides == Besides(ephemeral=True, tmpfs=True)
    [wanted] = desired({"name": ["one"], "clone_from": "base", "ephemeral": True, "clone_snapshot": False}, "/lxc")
    assert wanted.clone == (("/lxc", "base"), False)
    [wanted] = desired({"name": ["one"], "ephemeral": False}, "/lxc")
    assert wanted.config == {"lxc.ephemeral": None}
