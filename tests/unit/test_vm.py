# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests/vm does around QEMU: which image is used, built or removed, what is said of a machine that fails, and that none is left.

A shell script stands for QEMU, and another for the image's recipe.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PLACE = Path(__file__).resolve().parents[1] / "vm"


@pytest.fixture
def vm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module `machine`, with a cache of its own and a QEMU that ends at once."""
    monkeypatch.syspath_prepend(str(PLACE))
    monkeypatch.setenv("HOSTKIT_VM_CACHE", str(tmp_path / "cache"))
    import machine

    monkeypatch.setattr(machine, "QEMU", str(program(tmp_path / "qemu", "echo 'no such machine' >&2; exit 3")))
    return machine


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def build(
    vm: Any, monkeypatch: pytest.MonkeyPatch, text: str = 'mkdir -p "$3"; for f in kernel initrd root.qcow2 key; do : >"$3/$f"; done'
) -> Any:
    """An image that this recipe has made."""
    root = Path(os.environ["HOSTKIT_VM_CACHE"]).parent / "checkout"
    (root / "tests/vm").mkdir(parents=True, exist_ok=True)
    program(root / "tests/vm/image.sh", f"echo built >>{root}/calls; {text}")
    monkeypatch.setitem(vm.Image.ensure.__globals__, "ROOT", root)
    monkeypatch.setitem(vm.Image.ensure.__globals__, "RECIPE", ("tests/vm/image.sh",))
    image = vm.Image()
    image.ensure()
    return image


def calls() -> int:
    return len((Path(os.environ["HOSTKIT_VM_CACHE"]).parent / "checkout/calls").read_text().split())


def test_an_image_is_built_once_and_again_when_its_recipe_changes(vm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(vm, monkeypatch)
    assert build(vm, monkeypatch).directory == first.directory and calls() == 1
    second = build(vm, monkeypatch, 'mkdir -p "$3"; : >"$3/root.qcow2"; : another')
    assert second.directory != first.directory and calls() == 2
    assert not first.directory.exists(), "nothing runs from it"


def test_an_image_that_is_too_old_is_built_anew(vm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    image = build(vm, monkeypatch)
    old = time.time() - 7 * 86400
    os.utime(image.directory / "root.qcow2", (old, old))
    image.ensure()
    assert calls() == 2 and image.ready()


def test_an_image_that_a_machine_runs_from_stays(vm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(vm, monkeypatch)
    with vm.locked(first.lock, fcntl.LOCK_SH):
        build(vm, monkeypatch, 'mkdir -p "$3"; : >"$3/root.qcow2"; : another')
        assert first.directory.exists()


def test_a_build_that_fails_leaves_no_image(vm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(vm.VmError, match=r"bookworm \(plain\) could not be built; .*/log has the rest"):
        build(vm, monkeypatch, 'mkdir -p "$3"; : >"$3/root.qcow2"; exit 1')
    assert not vm.Image().ready()


@pytest.mark.parametrize("arguments, message", [(("sarge",), "no suite 'sarge' of images"), (("trixie", "xfs"), "no kind 'xfs' of images")])
def test_an_unknown_image(vm: Any, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(vm.VmError, match=message):
        vm.Image(*arguments)


@pytest.mark.parametrize("name", ["", "../x", "-x", "A", "x" * 22])
def test_an_unknown_name(vm: Any, tmp_path: Path, name: str) -> None:
    with pytest.raises(vm.VmError, match="is no name of a machine"):
        vm.named(name, vm.Image(), tmp_path)


def test_a_machine_that_does_not_come_up_shows_its_console(vm: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one = vm.Machine(build(vm, monkeypatch), tmp_path / "machine")
    with one:
        (one.directory / "console").write_text("line\n" * 100 + "Kernel panic\n")
        one.launch()
        with pytest.raises(vm.VmError, match=r"QEMU has ended: no such machine\n(line\n){29}Kernel panic"):
            one.wait()


def test_two_runs_do_not_share_a_machine(vm: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    image = build(vm, monkeypatch)
    with vm.Machine(image, tmp_path / "machine"), pytest.raises(vm.VmError, match="the machine machine is in use by another run"):
        vm.Machine(image, tmp_path / "machine").__enter__()


@pytest.mark.parametrize("stays", [False, True])
def test_a_machine_ends_with_who_started_it_unless_it_is_to_stay(
    vm: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stays: bool
) -> None:
    build(vm, monkeypatch)
    directory = tmp_path / "machine"
    directory.mkdir()
    code = f"""
import sys, time
sys.path.insert(0, {str(PLACE)!r})
import machine, images
machine.QEMU = {str(program(tmp_path / "qemu", "exec sleep 300"))!r}
images.RECIPE = ()
one = machine.Machine(machine.Image(), __import__("pathlib").Path({str(directory)!r}))
one.launch(stays={stays})
print(one.pid(), flush=True)
time.sleep(300)
"""
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        starter.kill()
    one = vm.Machine(vm.Image(), directory)
    if stays:
        assert one.pid() == pid
        one.stop()
    deadline = time.monotonic() + 20
    while one.pid() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert one.pid() == 0
