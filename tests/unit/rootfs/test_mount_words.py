# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fstab lines and the words of lxc.mount.auto."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.rootfs import autodev, automounts, kernelvalues, mounts


def test_a_line_and_its_own_words() -> None:
    entry = mounts.parse("/src mnt/x none bind,ro,optional,create=dir,relative,defaults 0 0", "here")
    assert (entry.source, entry.target, entry.fstype, entry.options) == ("/src", "mnt/x", "none", "bind,ro")
    assert set(entry.words) == {"optional", "create=dir", "relative"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a\\040b", "a b"),
        ("a\\011b", "a\tb"),
        ("a\\134b", "a\\b"),
        ("\\303\\251t\\303\\251", "été"),
        ("a\\0400", "a 0"),
        ("a\\9b", "a\\9b"),
    ],
)
def test_octal_stands_for_bytes(written: str, meant: str) -> None:
    assert mounts.parse(f"{written} mnt none bind", "here").source == meant


@pytest.mark.parametrize("line", ["", "/src", "/src mnt"])
def test_too_little_is_an_error_that_says_where(line: str) -> None:
    with pytest.raises(StepError, match="here"):
        mounts.parse(line, "here")


def test_without_options() -> None:
    assert mounts.parse("proc proc proc", "here").options == ""


def test_the_file_comes_before_the_config(tmp_path: Path) -> None:
    (tmp_path / "fstab").write_text("# no\n\n  tmpfs one tmpfs size=1k 0 0  \n")
    config = parser.loads(f"lxc.mount.entry = tmpfs two tmpfs defaults 0 0\nlxc.mount.fstab = {tmp_path}/fstab\n")
    assert [(entry.target, entry.origin) for entry in mounts.entries(config)] == [("one", f"{tmp_path}/fstab"), ("two", "lxc.mount.entry")]
    with pytest.raises(StepError, match=r"lxc\.mount\.fstab"):
        mounts.entries(parser.loads("lxc.mount.fstab = /nowhere/fstab\n"))


@pytest.mark.parametrize(
    ("target", "below"),
    [
        ("mnt/x", "mnt/x"),
        ("/rootfs/mnt", "mnt"),
        ("/made/deep/mnt", "mnt"),
        ("/rootfsmnt", None),
        ("/etc", None),
        ("/rootfs/../etc", "../etc"),
    ],
)
def test_absolute_targets_begin_with_a_root(target: str, below: str) -> None:
    assert mounts._below(target, ["/rootfs/", "/made/deep/"]) == below


def test_one_that_is_elsewhere_is_a_warning_and_not_mounted() -> None:
    [warning] = mounts.mount_all([mounts.parse("/src /etc none bind", "here")], -1, ["/rootfs"])
    assert warning.startswith("here: /etc")


@pytest.mark.parametrize(("options", "recursive"), [(["shared"], False), (["rshared"], True), (["bind", "rslave"], True), ([], False)])
def test_propagation(options: list[str], recursive: bool) -> None:
    assert mounts.propagation_recursive(options) == recursive


def test_words() -> None:
    assert automounts.parse(["proc", "sys:ro", "cgroup:mixed:force"]) == {"proc": "", "sys": "ro", "cgroup": "mixed:force"}
    assert automounts.parse(["proc:rw", "proc:mixed"]) == {"proc": "mixed"}
    assert automounts.parse(["shmounts:/a:/b"]) == {"shmounts": "/a:/b"}


ALLOWED = (
    "proc proc:mixed proc:rw sys sys:ro sys:mixed sys:rw cgroup cgroup:mixed cgroup:ro cgroup:rw cgroup:force cgroup:ro:force "
    "cgroup-full cgroup-full:rw:force cgroup-full:force cgroup2 cgroup2:ro:force cgroup2:force"
).split()


@pytest.mark.parametrize("word", ALLOWED)
def test_every_word_that_a_config_may_have_is_understood(word: str) -> None:
    config = parser.loads(f"lxc.mount.auto = {word}\n")
    automounts.parse(config.get_list("lxc.mount.auto"))


@pytest.mark.parametrize("word", ["proc:ro", "dev", "cgroup:none", ""])
def test_unknown_words(word: str) -> None:
    with pytest.raises(StepError):
        automounts.parse([word])


@pytest.mark.parametrize(("word", "mounts_them"), [("cgroup:force", True), ("cgroup:rw:force", True), ("cgroup", False), ("proc", False)])
def test_who_mounts_cgroups(word: str, mounts_them: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(automounts, "_cgroups", lambda _root, _names, attributes: seen.append(attributes))
    config = parser.loads(f"lxc.mount.auto = {word}\n")
    automounts.mount_cgroups(config, -1, True, True, [])
    assert bool(seen) == mounts_them
    automounts.mount_cgroups(config, -1, True, False, [])
    assert len(seen) == mounts_them + (word != "proc"), "without CAP_SYS_ADMIN init cannot"


def test_cgroups_without_a_namespace_are_refused() -> None:
    with pytest.raises(StepError, match="cgroup namespace"):
        automounts.mount_cgroups(parser.loads("lxc.mount.auto = cgroup\n"), -1, False, False, [])


@pytest.mark.parametrize(
    ("text", "on"), [("", True), ("lxc.autodev = 0\n", False), ("lxc.autodev = 1\n", True), ("lxc.autodev =\n", False)]
)
def test_autodev(text: str, on: bool) -> None:
    assert autodev.enabled(parser.loads(text)) == on


@pytest.mark.parametrize(
    ("key", "path"), [("net.ipv4.ip_forward", "net/ipv4/ip_forward"), ("net/ipv4/conf/eth0.1/x", "net/ipv4/conf/eth0.1/x")]
)
def test_where_a_sysctl_is(key: str, path: str) -> None:
    assert kernelvalues._path(key) == path
