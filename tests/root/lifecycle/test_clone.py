# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers made from others, on the real kernel: what is in the copy, what of the source is touched, and stock LXC's view of both."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloned
import pytest
import stock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import lines, parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue, InUse, LxcError, NotFound, StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import clone, create, dependents, destroy, freeze, partial
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client
from cloned import KINDS, MACHINE_ID, inside, made, make, quiet, request, tree_of

lxc_path = cloned.lxc_path


def run_stock(program: str, *arguments: str, ok: bool = True) -> str:
    stock.need_lxc()
    done = subprocess.run([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert (done.returncode == 0) == ok, done.stdout
    return done.stdout


@pytest.mark.parametrize(("store", "snapshot"), KINDS)
def test_all_of_a_root_and_nothing_of_the_source(lxc_path: Path, in_child: Callable[..., Any], store: str, snapshot: bool) -> None:
    source = make(lxc_path, store=store)
    Path(source.directory, "csource.log").write_text("old")
    before = tree_of(source.directory)
    target = made(source, snapshot=snapshot)
    assert tree_of(source.directory, "lxc_snapshots") == before

    def look(root: Path) -> list[Any]:
        su = os.stat(root / "su")
        return [
            (su.st_uid, su.st_gid, stat.S_IMODE(su.st_mode), os.getxattr(root / "su", "security.capability")[:4]),
            os.stat(root / "etc/passwd").st_ino == os.stat(root / "etc/passwd-").st_ino,
            stat.S_ISFIFO(os.stat(root / "fifo").st_mode),
            os.stat(root / "null").st_rdev == os.makedev(1, 3),
            (os.stat(root / "holes").st_size, os.stat(root / "holes").st_blocks),
            (root / "etc/hostname").read_text(),
            (root / "etc/hosts").read_text(),
            ((root / "etc/machine-id").read_text(), stat.S_IMODE(os.stat(root / "etc/machine-id").st_mode)),
        ]

    assert inside(target, look, in_child) == [
        (1234, 4321, 0o6755, bytes.fromhex("01000002")),
        True,
        True,
        True,
        (8 << 20, 0),
        "ctarget\n",
        "127.0.1.1 ctarget\n10.0.0.9\tctarget.example.org ctarget xcsource\n",
        ("", 0o444),
    ]
    found = {"config", "rootfs", *(["overlay"] if snapshot or store == "overlayfs" else []), *(["lxc_rdepends"] if snapshot else [])}
    assert set(os.listdir(target.directory)) == found
    assert stat.S_IMODE(os.stat(target.directory).st_mode) == 0o770
    assert parser.load(target.config).uts_name == "ctarget" and Path(target.config).read_text().startswith("# mine\n")


@pytest.mark.parametrize(("store", "snapshot"), KINDS)
def test_the_config_is_foreseen(lxc_path: Path, store: str, snapshot: bool) -> None:
    source = make(lxc_path, "csource", store, "lxc.net.1.type = veth", "lxc.net.1.hwaddr = 02:00:00:00:00:01")
    foreseen = clone.foresee(request(source, snapshot=snapshot))
    assert os.listdir(lxc_path) == ["csource"]
    text = Path(made(source, snapshot=snapshot).config).read_text()
    assert foreseen.count("x") == text.count("x") + 6 and "00:16:3e:xx:xx:xx" in foreseen
    address = lines.values(text)["lxc.net.1.hwaddr"][0]
    assert foreseen.replace("00:16:3e:xx:xx:xx", address) == text


def start(one: paths.Container) -> int:
    stock.start_ours(one)
    return client.init_pid(one)


@pytest.fixture
def running() -> Any:
    """Containers that are killed at the end."""
    asked: list[paths.Container] = []
    yield asked
    for one in asked:
        try:
            client.stop(one, 30)
        except client.NotRunning:
            continue


@pytest.mark.parametrize(("store", "snapshot"), KINDS)
def test_it_starts_and_what_it_writes_is_its_own(lxc_path: Path, running: list[paths.Container], store: str, snapshot: bool) -> None:
    source = make(lxc_path, store=store)
    before = tree_of(source.directory)
    target = made(source, snapshot=snapshot)
    running.append(target)
    pid = start(target)
    Path(f"/proc/{pid}/root/etc/written").write_text("by the clone")
    Path(f"/proc/{pid}/root/etc/issue").write_text("by the clone")
    name = subprocess.run(["nsenter", "-u", "-t", str(pid), "hostname"], capture_output=True, text=True, check=True).stdout
    assert name == "ctarget\n"
    assert tree_of(source.directory, "lxc_snapshots") == before


def test_a_chain_of_three_and_who_may_go_first(lxc_path: Path, in_child: Callable[..., Any], running: list[paths.Container]) -> None:
    first = make(lxc_path)
    second = made(first, "csecond", snapshot=True)
    inside(second, lambda root: (root / "etc/second").write_text("x"), in_child)
    third = made(second, "cthird", snapshot=True)
    inside(third, lambda root: os.unlink(root / "etc/passwd-"), in_child)
    fourth = made(third, "cfourth")

    def look(root: Path) -> list[object]:
        return [*((root / f"etc/{name}").exists() for name in ("second", "passwd-")), (root / "etc/hostname").read_text()]

    assert inside(second, look, in_child) == [True, True, "csecond\n"]
    assert inside(third, look, in_child) == [True, False, "cthird\n"]
    assert inside(fourth, look, in_child) == [True, False, "cfourth\n"]
    assert Path(fourth.config).read_text().count(f"overlay:{fourth.rootfs}:{fourth.directory}/overlay/delta") == 1
    assert dependents.of(first) == ["csecond", "cthird"] and dependents.of(second) == ["cthird"] and dependents.of(third) == []
    running.append(third)
    start(third)
    for one, users in ((first, "csecond, cthird"), (second, "cthird")):
        with pytest.raises(InUse, match=f"used by its clones: {users}"):
            destroy.destroy(one)
        run_stock("lxc-destroy", "-P", one.lxc_path, "-n", one.name, ok=False)
    client.stop(third, 30)
    for one in (third, second, first, fourth):
        destroy.destroy(one)
    assert os.listdir(lxc_path) == ["mnt"]


def same_config(ours: paths.Container, theirs: paths.Container) -> None:
    """But for names and for the digits that were drawn. LXC puts what it changes at the end, and lets paths stand as they are."""
    found = []
    for one in (ours, theirs):
        said = lines.values(Path(one.config).read_text().replace(one.name, "NAME"))
        said.update({key: [value[0][:8]] for key, value in said.items() if key.endswith("hwaddr")})
        found.append(said)
    assert found[0] == found[1]


@pytest.mark.parametrize("snapshot", [False, True])
def test_what_we_make_and_what_lxc_copy_makes(lxc_path: Path, in_child: Callable[..., Any], snapshot: bool) -> None:
    said = ["lxc.net.1.type = veth", "lxc.net.1.hwaddr = 02:00:00:00:00:01", "lxc.net.1.veth.pair = vfix"]
    source = make(lxc_path, "csource", "dir", "lxc.include = /usr/share/lxc/config/common.conf", *said)
    with open(source.config, "a", encoding="utf-8") as config:
        config.write(f"lxc.hook.clone = {source.directory}/clone.sh\nlxc.mount.fstab = {source.directory}/fstab\n")
    Path(source.directory, "fstab").write_text("tmpfs tmp tmpfs size=1m 0 0\n")
    script = Path(source.directory, "clone.sh")
    script.write_text(f'#!/bin/sh\nenv | grep ^LXC_ | sort >{lxc_path}/$LXC_NAME.env; echo "$@" >$LXC_ROOTFS_MOUNT/hooked\n')
    script.chmod(0o755)
    ours = made(source, "cmine", snapshot=snapshot)
    run_stock("lxc-copy", "-P", str(lxc_path), "-n", "csource", "-N", "ctheirs", *(["-s"] if snapshot else []))
    theirs = paths.container("ctheirs", str(lxc_path))
    same_config(ours, theirs)
    but = set() if snapshot else {"x"}
    assert set(os.listdir(ours.directory)) - but == set(os.listdir(theirs.directory)) - but
    for name in ("fstab", "clone.sh"):
        assert Path(ours.directory, name).read_bytes() == Path(theirs.directory, name).read_bytes()
    assert os.stat(ours.directory).st_mode == os.stat(theirs.directory).st_mode
    if snapshot:
        assert Path(ours.directory, "lxc_rdepends").read_bytes() == Path(theirs.directory, "lxc_rdepends").read_bytes()
        assert Path(source.directory, "lxc_snapshots").read_text() == f"{lxc_path}\ncmine\n{lxc_path}\nctheirs\n"

    def look(root: Path) -> list[str]:
        return [(root / path).read_text().strip() for path in ("etc/hostname", "etc/hosts", "hooked")]

    seen = [[text.replace(one.name, "NAME") for text in inside(one, look, in_child)] for one in (ours, theirs)]
    # LXC's hook changes a part of a line
    assert seen[0][::2] == seen[1][::2] and seen[0][1].splitlines()[0] == seen[1][1].splitlines()[0] == "127.0.1.1 NAME"
    said = [dict(line.split("=", 1) for line in (lxc_path / f"{one.name}.env").read_text().splitlines()) for one in (ours, theirs)]
    for key in ("LXC_SRC_NAME", "LXC_NAME", "LXC_CONFIG_FILE"):
        assert said[0][key].replace("cmine", "NAME") == said[1][key].replace("ctheirs", "NAME"), key


def test_each_takes_the_others_copies_on(lxc_path: Path) -> None:
    """Copies of copies, removed by the one who has not made them."""
    source = make(lxc_path)
    ours = made(source, "cmine", snapshot=True)
    run_stock("lxc-copy", "-P", str(lxc_path), "-n", "cmine", "-N", "ctheirs", "-s")
    theirs = paths.container("ctheirs", str(lxc_path))
    again = made(theirs, "cagain", snapshot=True)
    run_stock("lxc-copy", "-P", str(lxc_path), "-n", "cagain", "-N", "clast", "-s")
    last = paths.container("clast", str(lxc_path))
    users = [sorted(dependents.of(one)) for one in (source, ours, theirs, again, last)]
    assert users == [["cagain", "clast", "cmine", "ctheirs"], ["cagain", "clast", "ctheirs"], ["cagain", "clast"], ["clast"], []]
    destroy.destroy(last)
    run_stock("lxc-destroy", "-P", str(lxc_path), "-n", "cagain")
    destroy.destroy(theirs)
    run_stock("lxc-destroy", "-P", str(lxc_path), "-n", "cmine")
    assert dependents.of(source) == [] and not Path(source.directory, "lxc_snapshots").exists()
    run_stock("lxc-destroy", "-P", str(lxc_path), "-n", "csource")
    assert os.listdir(lxc_path) == []


def test_lxc_1_counts_its_snapshots(lxc_path: Path) -> None:
    source = make(lxc_path)
    count = Path(source.directory, "lxc_snapshots")
    count.write_text("1")
    first = made(source, "cfirst", snapshot=True)
    run_stock("lxc-copy", "-P", str(lxc_path), "-n", "csource", "-N", "csecond", "-s")
    assert count.read_text().strip() == "3"
    destroy.destroy(first)
    run_stock("lxc-destroy", "-P", str(lxc_path), "-n", "csecond")
    assert count.read_text().strip() == "1"


@pytest.mark.parametrize("snapshot", [False, True])
def test_a_running_source_is_refused_and_a_frozen_one_is_not(lxc_path: Path, running: list[paths.Container], snapshot: bool) -> None:
    source = make(lxc_path)
    running.append(source)
    pid = start(source)
    for act in (lambda: clone.clone(request(source, snapshot=snapshot), quiet), lambda: clone.foresee(request(source, snapshot=snapshot))):
        with pytest.raises(InUse, match="csource is RUNNING") as caught:
            act()
        assert "Stop or freeze it" in caught.value.hint
    assert os.listdir(lxc_path) == ["csource"] and client.init_pid(source) == pid
    freeze.freeze(source, 30)
    warnings = clone.clone(request(source, snapshot=snapshot), quiet)
    assert [("FROZEN" in warning) for warning in warnings] == ([True] if snapshot else [])
    assert client.state(source).name == "FROZEN" and client.init_pid(source) == pid
    assert Path(lxc_path, "ctarget", "overlay/delta" if snapshot else "rootfs", "etc/hostname").read_text() == "ctarget\n"


@pytest.mark.parametrize("what", ["starts", "starts and ends", "is removed", "is thawed"])
def test_a_source_that_moves_meanwhile(lxc_path: Path, running: list[paths.Container], monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    source = make(lxc_path)
    running.append(source)
    if what == "is thawed":
        start(source)
        freeze.freeze(source, 30)
    whole = clone.copying.copy

    def slowly(store: Any, made: Any, place: str) -> None:
        whole(store, made, place)
        Path(lxc_path, "halfway").touch()
        while not os.path.exists(lxc_path / "go"):
            time.sleep(0.02)

    def meanwhile() -> None:
        while not os.path.exists(lxc_path / "halfway"):
            time.sleep(0.02)
        if what.startswith("starts"):
            start(source)
        elif what == "is thawed":
            freeze.thaw(source, 30)
        else:
            destroy.destroy(source)
        if what == "starts and ends":
            time.sleep(1)
            client.stop(source, 30)
        Path(lxc_path, "go").touch()

    monkeypatch.setattr(clone.copying, "copy", slowly)
    with ThreadPoolExecutor(1) as other:
        done = other.submit(meanwhile)
        with pytest.raises(InUse, match=r"while it was cloned: the copy may be torn|while it was made"):
            clone.clone(request(source), quiet)
        done.result()
    assert not os.path.exists(lxc_path / "ctarget")
    if what != "is removed":
        assert (Path(source.rootfs) / "etc/hostname").read_text() == "csource\n"


@pytest.mark.parametrize("store", ["dir", "overlayfs"])
@pytest.mark.parametrize("how", ["etc", "etc, with LXC's own hook", "hostname", "hosts", "machine-id", "etc inside"])
def test_a_root_that_wishes_us_ill(lxc_path: Path, tmp_path: Path, in_child: Callable[..., Any], how: str, store: str) -> None:
    source = make(lxc_path, "csource", store, *(["lxc.hook.clone = /usr/share/lxc/hooks/clonehostname"] if "hook" in how else []))
    host = tmp_path / "host"
    host.mkdir()
    for name in ("hostname", "hosts", "machine-id"):
        (host / name).write_text(MACHINE_ID if name == "machine-id" else "127.0.1.1 csource\n")
    before = {name: (host / name).read_text() for name in os.listdir(host)}
    root = Path(source.rootfs)
    if how.startswith("etc"):
        os.rename(root / "etc", root / "real")
        (root / "etc").symlink_to("/real" if "inside" in how else host)
    else:
        os.unlink(root / "etc" / how)
        (root / "etc" / how).symlink_to(host / how)
    for snapshot in (False, True):
        target = made(source, f"ctarget{snapshot}", snapshot=snapshot)
        assert {name: (host / name).read_text() for name in os.listdir(host)} == before
        if how == "etc inside":
            assert inside(target, lambda root: (root / "real/hostname").read_text(), in_child) == f"{target.name}\n"


def test_hooks_that_fail_and_what_is_left(lxc_path: Path) -> None:
    source = make(lxc_path, "csource", "dir", "lxc.hook.clone = sh -c 'echo no way >&2; exit 3'")
    before = tree_of(source.directory)
    for snapshot in (False, True):
        with pytest.raises(StepError, match=r"lxc\.hook\.clone = .*: ended with status 3") as caught:
            clone.clone(request(source, snapshot=snapshot), quiet)
        assert "no way" in caught.value.log[-1]
        assert os.listdir(lxc_path) == ["csource"] and tree_of(source.directory) == before
    (lxc_path / "roots").mkdir()
    with pytest.raises(StepError, match="status 3"):
        clone.clone(request(source, backing_options={"directory": f"{lxc_path}/roots/one"}), quiet)
    assert os.listdir(lxc_path / "roots") == []


def test_a_name_that_is_kept(lxc_path: Path, in_child: Callable[..., Any]) -> None:
    source = make(lxc_path, "csource", "dir", "lxc.net.1.type = veth", "lxc.net.1.hwaddr = 02:00:00:00:00:01", "lxc.net.1.veth.pair = v1")
    wanted = request(source, keep_name=True, keep_mac=True)
    assert clone.clone(wanted, quiet) == []
    text = Path(source.config).read_text()
    assert Path(wanted.target.config).read_text() == text.replace(source.rootfs, wanted.target.rootfs)
    shown = subprocess.run(
        ["rsync", "-acHAXn", "--delete", "--itemize-changes", f"{source.rootfs}/", f"{wanted.target.rootfs}/"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout == ""


def test_a_container_inside_of_its_source(lxc_path: Path, in_child: Callable[..., Any]) -> None:
    """As LXC keeps snapshots: a full copy of a directory, an upper layer of its own for an overlay. And back."""
    for store in ("dir", "overlayfs"):
        source = make(lxc_path, f"c{store}", store, f"lxc.log.file = {lxc_path}/c{store}/log")
        kept = paths.Container(f"{source.directory}/snaps", "snap0")
        clone.clone(clone.CloneRequest(source, kept, snapshot=True, maybe=True, keep_name=True, keep_mac=True), quiet)
        assert f"lxc.log.file = {kept.directory}/log\n" in Path(kept.config).read_text()
        assert dependents.snapshots(source) == ["snap0"]
        back = clone.CloneRequest(kept, paths.container(f"cback{store}", str(lxc_path)), keep_name=True)
        clone.clone(back, quiet)
        assert inside(back.target, lambda root: (root / "etc/hostname").read_text(), in_child) == f"c{store}\n"
        destroy.destroy(back.target)
        if store == "dir":
            destroy.destroy(source, delete_snapshots=True)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"backing_store": "overlayfs", "backing_options": {"directory": "/x"}}, BadValue, "directory"),
        ({"snapshot": True, "backing_store": "dir"}, BadValue, "expected overlayfs"),
        ({"snapshot": True, "backing_options": {"directory": "/x"}}, BadValue, "expected a full copy"),
        ({"backing_store": "dirt"}, BadValue, "backing_store"),
        ({"config": {"lxc.rootfs.path": "dir:/x"}}, BadValue, "a root of its own"),
        ({"config": {"lxc.nonsense": "1"}}, LxcError, "no such key"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_touched(lxc_path: Path, change: Any, error: type[LxcError], said: str) -> None:
    source = make(lxc_path)
    before = tree_of(str(lxc_path))
    for act in (lambda: clone.foresee(request(source, **change)), lambda: clone.clone(request(source, **change), quiet)):
        with pytest.raises(error, match=said):
            act()
        assert tree_of(str(lxc_path)) == before


def test_sources_that_are_none(lxc_path: Path) -> None:
    source = make(lxc_path)
    with pytest.raises(BadValue, match="another container than csource itself"):
        clone.check(request(source, "csource"))
    with pytest.raises(NotFound, match="cnone does not exist"):
        clone.check(request(paths.container("cnone", str(lxc_path))))
    (lxc_path / "empty").mkdir()
    with pytest.raises(NotFound, match="it has no config"):
        clone.check(request(paths.container("empty", str(lxc_path))))
    Path(source.partial).touch()
    with pytest.raises(LxcError, match="csource is half-made"):
        clone.check(request(source))
    fd = partial.mark(source, "look")
    with pytest.raises(InUse, match="csource is being made or removed by"):
        clone.check(request(source))
    os.close(fd)
    os.unlink(source.partial)
    made(source)
    before = tree_of(f"{lxc_path}/ctarget")
    with pytest.raises(InUse, match="ctarget already exists"):
        made(source)
    assert tree_of(f"{lxc_path}/ctarget") == before


def test_without_a_root(lxc_path: Path) -> None:
    lxc_path.mkdir()
    source = paths.container("cempty", str(lxc_path))
    create.create(create.CreateRequest(source, "none"), quiet)
    target = made(source, snapshot=True)
    assert sorted(os.listdir(target.directory)) == ["config"] and parser.load(target.config).uts_name == "ctarget"
