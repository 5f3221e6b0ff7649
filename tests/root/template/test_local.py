# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tarballs of each kind and LXC's pair with its metadata, made with the programs that people make them with."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import stock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError, Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import command
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach, create, destroy, stop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template import archive
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client

end_of_monitor = stock.end_of_monitor

PROGRAMS = {"zst": "zstd", "xz": "xz", "bz2": "bzip2", "gz": "gzip"}
CONFIG = """# distribution's own
lxc.include = LXC_TEMPLATE_CONFIG/common.conf
lxc.include = LXC_TEMPLATE_CONFIG/no-such.conf
lxc.arch = x86_64
lxc.signal.halt = SIGUSR1
lxc.environment = MADE_FOR=LXC_NAME
"""


def quiet(line: str) -> None:
    pass


@pytest.fixture
def root(host: Path) -> Path:
    """A busybox root, with a file in which the name is to be filled in."""
    if shutil.which("busybox") is None:
        pytest.skip("busybox is not on this host")
    one = paths.container("gsource", str(host / "lxc"))
    create.create(create.CreateRequest(one, "busybox"), quiet)
    (Path(one.rootfs) / "etc/hostname").write_text("LXC_NAME\n")
    (Path(one.rootfs) / "etc/motd").write_text("LXC_NAME stays here\n")
    return Path(one.rootfs)


def packed(directory: Path, target: Path, kind: str) -> Path:
    if shutil.which(PROGRAMS[kind]) is None:
        pytest.skip(f"{PROGRAMS[kind]} is not on this host")
    subprocess.run(["tar", "-C", directory, f"--use-compress-program={PROGRAMS[kind]}", "-cf", target, "."], check=True)
    return target


@pytest.fixture
def metadata(host: Path) -> Path:
    (host / "meta").mkdir()
    (host / "meta/config").write_text(CONFIG)
    (host / "meta/templates").write_text("/etc/hostname\n/etc/no-such-file\n")
    (host / "meta/create-message").write_text("hello")
    return packed(host / "meta", host / "meta.tar.xz", "xz")


def make(host: Path, name: str, **options: object) -> paths.Container:
    one = paths.container(name, str(host / "lxc"))
    create.create(create.CreateRequest(one, "local", options, config={"lxc.net.0.type": "empty"}), quiet)
    return one


def digest(path: Path, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, path.read_bytes()).hexdigest()}"


def names(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


@pytest.mark.parametrize("kind", sorted(PROGRAMS))
def test_each_compression_gives_the_same_files_when_the_checksum_is_right(host: Path, root: Path, temporary: Path, kind: str) -> None:
    fstree = packed(root, host / f"fs.tar.{kind}", kind)
    one = make(host, "gtar", fstree=str(fstree), checksum=digest(fstree, "sha512"))
    assert names(Path(one.rootfs)) == names(root)
    assert (Path(one.rootfs) / "bin/busybox").read_bytes() == (root / "bin/busybox").read_bytes()
    assert sorted(os.listdir(one.directory)) == ["config", "rootfs"]
    assert os.listdir(temporary) == []


@pytest.mark.parametrize("kind", ["zst", "xz"])
@pytest.mark.parametrize("which", ["checksum", "metadata_checksum"])
def test_a_wrong_checksum_is_refused_with_what_it_is(host: Path, root: Path, metadata: Path, kind: str, which: str) -> None:
    fstree = packed(root, host / f"fs.tar.{kind}", kind)
    right = {"checksum": digest(fstree), "metadata_checksum": digest(metadata)}
    wrong = digest(metadata if which == "checksum" else fstree)
    with pytest.raises(StepError, match=right[which].partition(":")[2]):
        make(host, "gtar", fstree=str(fstree), metadata=str(metadata), **{**right, which: wrong})
    assert os.listdir(host / "lxc") == ["gsource"]


@pytest.mark.parametrize("spoil", [lambda data: data[:-100], lambda data: data[:4] + b"\xff" * 500 + data[504:]])
def test_a_damaged_zst_says_so_and_leaves_nothing(host: Path, root: Path, spoil: object) -> None:
    fstree = packed(root, host / "fs.tar.zst", "zst")
    fstree.write_bytes(spoil(fstree.read_bytes()))  # type: ignore[operator]
    with pytest.raises(StepError, match="zstd ended with status 1") as caught:
        make(host, "gtar", fstree=str(fstree))
    assert caught.value.log and os.listdir(host / "lxc") == ["gsource"]


def test_a_zst_that_grows_without_bound_is_cut_off(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (host / "big").mkdir()
    (host / "big/zeros").write_bytes(bytes(8 << 20))
    fstree = packed(host / "big", host / "fs.tar.zst", "zst")
    monkeypatch.setattr(archive, "LIMITS", archive.LIMITS._replace(size=1 << 20))
    with pytest.raises(StepError, match="zstd ended with status"):
        make(host, "gtar", fstree=str(fstree))
    assert os.listdir(host / "lxc") == []


def test_without_zstd_it_says_what_is_missing(host: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fstree = packed(root, host / "fs.tar.zst", "zst")
    which = command.which
    monkeypatch.setattr(command, "which", lambda name: None if name == "zstd" else which(name))
    with pytest.raises(Unsupported, match="zstd is missing") as caught:
        make(host, "gtar", fstree=str(fstree))
    assert "zstd" in caught.value.hint and os.listdir(host / "lxc") == ["gsource"]


def test_the_pair_fills_in_names_and_boots_under_our_start(host: Path, root: Path, metadata: Path) -> None:
    os.chmod(host, 0o755)
    fstree = packed(root, host / "fs.tar.zst", "zst")
    one = make(host, "gpair", fstree=str(fstree), metadata=str(metadata), checksum=digest(fstree), metadata_checksum=digest(metadata))
    assert (Path(one.rootfs) / "etc/hostname").read_text() == "gpair\n"
    assert (Path(one.rootfs) / "etc/motd").read_text() == "LXC_NAME stays here\n"
    config = parser.load(one.config)
    assert config.get("lxc.signal.halt") == "SIGUSR1" and config.get_list("lxc.environment") == ["MADE_FOR=gpair"]
    text = Path(one.config).read_text()
    assert "no-such.conf" not in text and "LXC_" not in text and config.uts_name == "gpair"
    assert "sys_module" in config.get_list("lxc.cap.drop")
    [(_container, error, _warnings, _was_up)] = runtime.start([one], 30, log_level="DEBUG")
    assert error is None
    try:
        request = attach.AttachRequest(["/bin/sh", "-c", "hostname; tr '\\0' '\\n' </proc/1/environ | grep MADE"], timeout=20)
        assert attach.attach(one, request).stdout == b"gpair\nMADE_FOR=gpair\n"
        assert stop.stop(one, 20).how == "signal"
    finally:
        try:
            client.stop(one, 20)
        except client.NotRunning:
            pass
    destroy.destroy(one)


@pytest.mark.parametrize("line", ["lxc.hook.pre-start = /bin/true", "lxc.mount.entry = /etc mnt none bind 0 0", "lxc.rootfs.path = dir:/"])
def test_an_image_decides_nothing_for_the_host(host: Path, root: Path, line: str) -> None:
    (host / "meta").mkdir()
    (host / "meta/config").write_text(f"lxc.arch = x86_64\n{line}\n")
    pair = packed(host / "meta", host / "meta.tar.xz", "xz")
    with pytest.raises(StepError, match=f"line 2 sets {line.split()[0]}, which an image may not"):
        make(host, "gpair", fstree=str(packed(root, host / "fs.tar.xz", "xz")), metadata=str(pair))
    assert os.listdir(host / "lxc") == ["gsource"]


def test_a_template_file_that_is_a_link_is_not_followed(host: Path, root: Path, metadata: Path) -> None:
    (host / "victim").write_text("LXC_NAME")
    os.unlink(root / "etc/hostname")
    os.symlink(host / "victim", root / "etc/hostname")
    with pytest.raises(StepError, match="templates of the metadata"):
        make(host, "gpair", fstree=str(packed(root, host / "fs.tar.xz", "xz")), metadata=str(metadata))
    assert (host / "victim").read_text() == "LXC_NAME" and os.listdir(host / "lxc") == ["gsource"]
