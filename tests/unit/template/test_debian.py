# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which architectures can be asked for, what debootstrap can and cannot do, how long a made root is kept."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue, Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import command
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template import debian, debootstrap, machine
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template.aptsources import Source
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template.base import Target

# As the kernel shows an emulator that qemu-user-static has registered.
ARM64 = (
    "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POC\noffset 0\n"
    "magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n"
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host of amd64 on which nothing is registered and nothing is installed."""
    monkeypatch.setattr(command, "which", lambda name: None)
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(machine.registered, "__defaults__", (str(tmp_path / "binfmt_misc"),))
    return tmp_path / "binfmt_misc"


def test_a_foreign_architecture_needs_an_emulator(here: Path) -> None:
    for arch in ("amd64", "i386"):
        machine.check(arch)
    with pytest.raises(Unsupported, match=r"amd64.*cannot run the programs of arch arm64.*binfmt_misc") as caught:
        machine.check("arm64")
    assert "qemu-user-static" in caught.value.hint
    here.mkdir()
    (here / "status").write_text("enabled\n")
    (here / "python3.11").write_text("enabled\ninterpreter /usr/bin/python3.11\nflags: \noffset 0\nmagic a70d0d0a\n")
    (here / "qemu-aarch64").write_text(ARM64)
    machine.check("arm64")
    for arch in ("armhf", "riscv64", "s390x"):
        with pytest.raises(Unsupported):
            machine.check(arch)
    (here / "qemu-aarch64").write_text(ARM64.replace("enabled", "disabled"))
    with pytest.raises(Unsupported):
        machine.check("arm64")


def test_what_is_no_architecture(here: Path) -> None:
    with pytest.raises(BadValue, match="amd64, arm64"):
        machine.check("arm46")


def test_the_template_says_so_before_anything_is_made(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "which", lambda name: "/usr/bin/mmdebstrap" if name == "mmdebstrap" else None)
    debian.check({})
    with pytest.raises(Unsupported, match="cannot run the programs of arch riscv64"):
        debian.check({"arch": "riscv64"})


def source(uri: str = "http://one/debian", suite: str = "bookworm", **options: str) -> Source:
    return Source(uri, suite, ("main", "contrib"), tuple((key.replace("_", "-"), value) for key, value in options.items()), "x")


@pytest.fixture
def keyring(tmp_path: Path) -> str:
    (tmp_path / "keys.gpg").touch()
    return str(tmp_path / "keys.gpg")


@pytest.mark.parametrize(
    ("variant", "flags"),
    [
        ("minbase", ["--variant=minbase"]),
        ("required", ["--variant=minbase"]),
        ("buildd", ["--variant=buildd"]),
        ("important", []),
        ("debootstrap", []),
    ],
)
def test_arguments_of_debootstrap(variant: str, flags: list[str], keyring: str) -> None:
    sources = [source("http://two/security", "bookworm-security"), source()]
    debootstrap.check(variant, sources, "bookworm", keyring)
    words = debootstrap.words("bookworm", "amd64", variant, ["b", "a"], sources, keyring, "/root/fs")
    assert words == [
        "--force-check-gpg", f"--keyring={keyring}", "--arch=amd64", "--include=b,a", *flags, "--components=main,contrib",
        "bookworm", "/root/fs", "http://one/debian",
    ]  # fmt: skip


def test_the_key_that_the_source_names_counts(keyring: str) -> None:
    words = debootstrap.words("sid", "amd64", "minbase", [], [source(suite="sid", signed_by="/mine.gpg")], keyring, "/r")
    assert "--keyring=/mine.gpg" in words
    with pytest.raises(Unsupported, match=r"/mine.gpg is missing"):
        debootstrap.check("minbase", [source(suite="sid", signed_by="/mine.gpg")], "sid", keyring)


@pytest.mark.parametrize("variant", ["standard", "apt", "essential"])
def test_variants_that_only_mmdebstrap_has(variant: str, keyring: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unsupported, match=f"no variant {variant}") as caught:
        debootstrap.check(variant, [source()], "bookworm", keyring)
    assert "mmdebstrap" in caught.value.hint
    monkeypatch.setattr(command, "which", lambda name: "/usr/bin/mmdebstrap" if name == "mmdebstrap" else None)
    debian.check({"variant": variant})
    monkeypatch.setattr(command, "which", lambda name: "/usr/sbin/debootstrap" if name == "debootstrap" else None)
    with pytest.raises(Unsupported, match=f"no variant {variant}"):
        debian.check({"variant": variant})


def test_addresses_that_only_apt_reads(keyring: str) -> None:
    with pytest.raises(Unsupported, match="cannot read tor"):
        debootstrap.check("minbase", [source("tor+http://x/debian")], "bookworm", keyring)


def test_a_variant_that_nobody_has() -> None:
    with pytest.raises(BadValue, match="minbase"):
        debian.recipe({"variant": "tiny"})


def test_a_mirror_over_tls_brings_the_certificates() -> None:
    assert "ca-certificates" in debian.recipe({"mirror": "https://x/debian"}).packages
    assert "ca-certificates" not in debian.recipe({"mirror": "http://x/debian"}).packages


def test_neither_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "which", lambda name: None)
    with pytest.raises(Unsupported, match="Neither mmdebstrap nor debootstrap"):
        debian.check({})


def test_a_host_without_apt_sources_must_be_told_a_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian.aptsources, "load", list)
    with pytest.raises(BadValue, match=r"template_options\[mirror\].*bookworm"):
        debian.recipe({"release": "bookworm"})
    assert debian.recipe({"release": "bookworm", "mirror": "http://mirror.example/debian"}).sources[0].uri == "http://mirror.example/debian"


@pytest.mark.parametrize(
    ("said", "days", "anew"),
    [(None, 6, False), (None, 8, True), ("30d", 8, False), ("30d", 31, True), ("12h", 1, True), (86400 * 3, 2, False), ("0", 0, True)],
)
def test_the_kept_root_is_used_as_long_as_the_task_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: object, days: float, anew: bool
) -> None:
    """A week where nothing is said."""
    made: list[str] = []

    def bootstrap(_wanted: debian.Recipe, rootfs: str, _log: object) -> None:
        made.append(rootfs)
        Path(rootfs, "etc").mkdir()
        Path(rootfs, "etc/debian_version").write_text(str(len(made)))

    monkeypatch.setattr(paths, "CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(debian, "bootstrap", bootstrap)
    monkeypatch.setattr(debian.debianroot, "finish", lambda *_args: None)
    options = {"mirror": "http://one/debian", "release": "bookworm", **({} if said is None else {"cache_max_age": said})}
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        target = Target(paths.container(name, str(tmp_path)), str(tmp_path / name))
        debian.make(options, target, lambda _line: None)
        [stamp] = (tmp_path / "cache/hostkit").glob("*/made")
        os.utime(stamp, (time.time() - days * 86400 - 60,) * 2)
    assert len(made) == 1 + anew
    assert (tmp_path / "second/etc/debian_version").read_text() == str(len(made))


@pytest.mark.parametrize("age", ["soon", "7 days", "-1", "7y", True, ""])
def test_an_age_that_is_none(age: object) -> None:
    with pytest.raises(BadValue, match="cache_max_age"):
        debian.check({"mirror": "http://one/debian", "release": "bookworm", "cache_max_age": age})
