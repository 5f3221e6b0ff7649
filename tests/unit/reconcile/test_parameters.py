# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From parameters to what is wanted: what is refused, and what the refusal says."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.checks import check_condition
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.parameters import desired


def wanted(**params):
    return desired({"name": ["m1"], **params}, "/nowhere")


def test_only_the_name():
    (one,) = wanted()
    assert (one.state, one.template, one.says_config, one.stop_timeout, one.wait_for) == ("started", None, False, 60.0, ())


def test_names_are_kept_in_order_and_once():
    assert [one.container.name for one in desired({"name": ["b", "a", "b"]}, "/x")] == ["b", "a"]


@pytest.mark.parametrize("name", ["../x", "a/b", "-x", "..", "", "a\nb", "a\0b", "x" * 65])
def test_bad_names_are_refused(name):
    with pytest.raises(errors.BadValue, match="name"):
        desired({"name": ["ok", name]}, "/nowhere")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"clone_name": "old"}, "name is always the container"),
        ({"clone_from": "old", "template": "busybox"}, "no template with it"),
        ({"clone_from": "old", "template_options": {"a": 1}}, "no template_options with it"),
        ({"clone_from": "old", "clone_snapshot": True, "directory": "/srv/%n"}, "clone_snapshot false with it"),
        ({"clone_snapshot": True}, "clone_from with it"),
        ({"clone_from": "srv/old"}, "absolute path of its directory"),
        ({"clone_from": "/srv/../old"}, "absolute path of its directory"),
        ({"clone_from": "/"}, "absolute path of its directory"),
        ({"clone_from": "/etc"}, "absolute path of its directory"),
        ({"clone_from": "//etc"}, "absolute path of its directory"),
        ({"clone_from": "old one"}, "absolute path of its directory"),
        ({"container_command": "ls"}, "lxc_attach"),
        ({"template_options": "--release trixie"}, "dict"),
        ({"template_options": {"--release": "x"}}, "without leading dashes"),
        ({"template_options": {"release": "a\nb"}}, "one line"),
        ({"template_options": {"release": {"a": 1}}}, "a string, a number"),
        ({"template": "-x"}, "template"),
        ({"template": ""}, "template"),
        ({"state": "stopped", "wait_for": ["ipv4"]}, "state started"),
        ({"wait_for": ["port:http"]}, "port:N"),
        ({"stop_timeout": -1}, "seconds"),
        ({"directory": "x"}, "absolute"),
        ({"directory": "/a/../b"}, "absolute"),
        ({"template": "none", "backing_store": "dir"}, "none makes no root filesystem"),
        ({"template": "none", "directory": "/x"}, "none makes no root filesystem"),
        ({"template": "none", "size": "1G"}, "none makes no root filesystem"),
        ({"template": "debian", "size": "1Q"}, "for size: expected a number of bytes"),
        ({"template": "debian", "fs_type": "ext4 -O x"}, "for fs_type: expected one of ext4"),
        ({"template": "debian", "backing_store": "btrfs", "fs_type": "xfs"}, "for fs_type: expected backing_store loop"),
        ({"template": "debian", "backing_store": "overlayfs", "directory": "/x"}, "for directory: expected backing_store dir"),
        ({"template": "debian", "backing_store": "zfs", "vg_name": "x"}, "for vg_name: expected backing_store lvm with it, not zfs"),
        ({"template": "debian", "backing_store": "lvm", "zfs_root": "x"}, "for zfs_root: expected backing_store zfs with it, not lvm"),
        ({"template": "none", "thinpool": "x"}, "none makes no root filesystem"),
        ({"template": "debian", "vg_name": "a/b"}, "for vg_name: expected 1 to 127"),
        ({"template": "debian", "lv_name": "-x"}, "for lv_name: expected 1 to 127"),
        ({"template": "debian", "zfs_root": "/tank"}, "for zfs_root: expected the name of a dataset"),
        ({"clone_from": "b", "clone_snapshot": True, "lv_name": "x"}, "clone_snapshot false with it"),
        ({"name": []}, "at least one"),
    ],
)
def test_what_cannot_be_meant_is_refused(params, said):
    with pytest.raises(errors.BadValue, match=said):
        wanted(**params)


def test_a_size_is_an_option_of_the_backing_store():
    [one] = desired({"name": ["a"], "size": "2G", "fs_type": "xfs", "backing_store": "loop"}, "/nowhere")
    assert one.backing_options == {"size": "2G", "fs_type": "xfs"} and one.says_storage


def test_a_volume_cannot_be_shared():
    with pytest.raises(errors.BadValue, match="%n"):
        desired({"name": ["a", "b"], "lv_name": "x", "vg_name": "vg"}, "/nowhere")
    both = desired({"name": ["a", "b"], "lv_name": "%n.root", "vg_name": "vg", "thinpool": "p"}, "/nowhere")
    assert [one.backing_options for one in both] == [{"vg_name": "vg", "lv_name": f"{name}.root", "thinpool": "p"} for name in "ab"]


def test_a_directory_cannot_be_shared():
    with pytest.raises(errors.BadValue, match="%n"):
        desired({"name": ["a", "b"], "directory": "/srv/x"}, "/nowhere")
    both = desired({"name": ["a", "b"], "directory": "/srv/%n"}, "/nowhere")
    assert [one.backing_options for one in both] == [{"directory": "/srv/a"}, {"directory": "/srv/b"}]


@pytest.mark.parametrize("condition", ["running", "ipv4", "ipv6", "systemd", "port:22", "path:/etc/hosts"])
def test_conditions(condition):
    check_condition(condition)


@pytest.mark.parametrize("condition", ["", "ipv4:", "port:", "port:0", "port:65536", "port:-1", "path:x", "path:", "systemd:x", "address"])
def test_bad_conditions(condition):
    with pytest.raises(errors.BadValue, match="wait_for"):
        check_condition(condition)


@pytest.mark.parametrize(
    ("said", "expected"),
    [("old", ("/lxc", "old")), ("/srv/lxc/old", ("/srv/lxc", "old")), ("/srv//lxc/old/", ("/srv/lxc", "old"))],
)
def test_what_is_cloned(said, expected):
    [one] = desired({"name": ["new"], "clone_from": said, "clone_snapshot": True}, "/lxc")
    assert (one.clone, one.template) == ((expected, True), None)


@pytest.mark.parametrize("said", ["two", "/lxc/two", "/lxc//two/"])
def test_none_is_made_from_another_of_the_same_task(said):
    with pytest.raises(errors.BadValue, match="another container than those of name"):
        desired({"name": ["one", "two"], "clone_from": said}, "/lxc")
