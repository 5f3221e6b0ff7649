# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian, made by mmdebstrap or debootstrap from the host's own APT sources with its keyring, and booted by systemd.

What was made is kept (cache.py), and every container gets a copy with names and keys of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import NamedTuple

from ..errors import BadValue, LxcError, StepError, Unsupported
from ..kernel import command
from . import aptsources, base, cache, debianroot, script

_OPTIONS = ("release", "arch", "variant", "mirror", "packages", "cache_max_age")
_DEFAULT_MIRROR = "http://deb.debian.org/debian"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_PACKAGES = ("dbus", "iproute2", "systemd", "systemd-sysv")
# Releases in which systemd-resolved is still a part of the package systemd.
_WITH_RESOLVED = ("jessie", "stretch", "buster", "bullseye")
_WEEK = 7 * 86400
# Part of the name in the cache: counts up when what is done after the bootstrap changes.
_RECIPE = 1


class Recipe(NamedTuple):
    """All that the made root depends on."""

    release: str
    arch: str
    variant: str
    packages: tuple[str, ...]
    sources: tuple[aptsources.Source, ...]

    def name(self) -> str:
        """By content, the keyrings' included."""
        keys = [_digest(source.signed_by or _KEYRING) for source in self.sources]
        lines = [source.line() for source in self.sources]
        text = json.dumps([_RECIPE, self.release, self.arch, self.variant, self.packages, lines, keys])
        return f"debian-{self.release}-{self.arch}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def check(options: base.Options) -> None:
    base.only("debian", options, _OPTIONS)
    recipe(options)
    base.seconds(options, "cache_max_age", _WEEK)
    if _program() is None:
        raise Unsupported("Neither mmdebstrap nor debootstrap is on this host", hint="Install mmdebstrap")


def make(options: base.Options, target: base.Target, log: base.Log) -> base.Made:
    wanted = recipe(options)

    def build(rootfs: str) -> None:
        log(f"Making Debian {wanted.release} ({wanted.arch}) from {', '.join(sorted({source.uri for source in wanted.sources}))}")
        bootstrap(wanted, rootfs, log)
        debianroot.finish(rootfs, [source.signed_by for source in wanted.sources if source.signed_by], log)

    cache.copy_of(wanted.name(), base.seconds(options, "cache_max_age", _WEEK), build, target.rootfs, log)
    debianroot.personalise(target.rootfs, target.container.name, log)
    return base.Made([f"lxc.arch = {wanted.arch}"], [])


def recipe(options: base.Options) -> Recipe:
    """What the options and the host's sources say."""
    host = host_release()
    release = base.text(options, "release", host or "stable", r"[a-z][a-z0-9.+-]*")
    extra = base.words(options, "packages", r"[a-z0-9][a-z0-9.+:-]*")
    resolved = () if release in _WITH_RESOLVED else ("systemd-resolved",)
    return Recipe(
        release=release,
        arch=base.text(options, "arch", "", r"[a-z0-9][a-z0-9-]*") or host_arch(),
        variant=base.text(options, "variant", "minbase", r"[a-z]+"),
        packages=tuple(sorted({*_PACKAGES, *resolved, *extra})),
        sources=tuple(_sources(options, host, release)),
    )


def _sources(options: base.Options, host: str, release: str) -> list[aptsources.Source]:
    mirror = base.text(options, "mirror", "", r"(?s)[a-z+]+:/.*")
    if mirror:
        if not re.fullmatch(r"[a-z+]+:/[^\s\[\]]+", mirror):
            raise BadValue("template_options[mirror]", mirror, "the address of a Debian mirror")
        return [aptsources.check(aptsources.Source(mirror, release, ("main",), _signed_by(), "template_options[mirror]"))]
    found = aptsources.select(aptsources.load(), host, release) if host else []
    return found or [aptsources.Source(_DEFAULT_MIRROR, release, ("main",), _signed_by(), "the default")]


def _signed_by() -> tuple[tuple[str, str], ...]:
    return (("signed-by", _KEYRING),) if os.path.exists(_KEYRING) else ()


def host_release(path: str = "/etc/os-release") -> str:
    """The release's code name when the host is Debian, else ""."""
    try:
        with open(path, encoding="utf-8") as file:
            fields = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    except OSError:
        return ""
    return fields.get("VERSION_CODENAME", "").strip('"') if fields.get("ID", "").strip('"') == "debian" else ""


def host_arch() -> str:
    """In Debian's words. dpkg knows it on Debian; elsewhere it follows from the machine."""
    import platform

    machine = platform.machine()
    names = {"x86_64": "amd64", "aarch64": "arm64", "i686": "i386", "armv7l": "armhf", "ppc64le": "ppc64el"}
    if command.which("dpkg"):
        result = command.run(["dpkg", "--print-architecture"])
        if result.rc == 0 and result.stdout.strip():
            return result.stdout.strip()
    return names.get(machine, machine)


def bootstrap(wanted: Recipe, rootfs: str, log: base.Log) -> None:
    program = _program()
    if program is None:
        raise Unsupported("Neither mmdebstrap nor debootstrap is on this host", hint="Install mmdebstrap")
    words = mmdebstrap(wanted, rootfs) if program.endswith("/mmdebstrap") else debootstrap(wanted, rootfs)
    try:
        script.run([program, *words], program, log, environment())
    except StepError as error:
        error.hint = error.hint or "Does the mirror answer? mirror names another one"
        raise
    if not program.endswith("/mmdebstrap"):
        debianroot.write(rootfs, "etc/apt/sources.list", "".join(source.line() + "\n" for source in wanted.sources))


def mmdebstrap(wanted: Recipe, rootfs: str) -> list[str]:
    """It verifies with the keys that the sources name, or those that the host's apt trusts."""
    include = ",".join(wanted.packages)
    words = ["--mode=root", f"--variant={wanted.variant}", f"--architectures={wanted.arch}", f"--include={include}", "--format=directory"]
    return [*words, wanted.release, rootfs, *(source.line() for source in wanted.sources)]


def debootstrap(wanted: Recipe, rootfs: str) -> list[str]:
    """It takes one source, and knows the variants minbase, buildd and the whole (which it has no name for)."""
    first = next((source for source in wanted.sources if source.suite == wanted.release), wanted.sources[0])
    keyring = first.signed_by or _KEYRING
    if not os.path.isfile(keyring):
        raise Unsupported(f"The keyring {keyring} is missing, without which nothing can be verified", hint="Install debian-archive-keyring")
    variant = [] if wanted.variant in ("important", "debootstrap", "standard") else [f"--variant={wanted.variant}"]
    words = ["--force-check-gpg", f"--keyring={keyring}", f"--arch={wanted.arch}", f"--include={','.join(wanted.packages)}"]
    return [*words, *variant, f"--components={','.join(first.components)}", wanted.release, rootfs, first.uri]


def environment() -> dict[str, str]:
    """The host's proxy is used on the way, through the environment only, where nothing keeps it."""
    found = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C"}
    found["DEBIAN_FRONTEND"] = "noninteractive"
    if command.which("apt-config"):
        result = command.run(["apt-config", "dump", "--format=%f %v%n", "Acquire::http::Proxy", "Acquire::https::Proxy"])
        for line in result.stdout.splitlines():
            key, _blank, value = line.strip().partition(" ")
            if key in ("Acquire::http::Proxy", "Acquire::https::Proxy") and value and value != "DIRECT":
                found["http_proxy" if "http:" in key else "https_proxy"] = value
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        if os.environ.get(name):
            found[name] = os.environ[name]
    return found


def _program() -> str | None:
    return command.which("mmdebstrap") or command.which("debootstrap")


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        if path == _KEYRING:
            return ""
        raise LxcError(f"The keyring {path}, which an APT source names, cannot be read: {error.strerror}") from error
