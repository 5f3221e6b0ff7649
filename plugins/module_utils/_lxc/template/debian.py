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
from . import aptsources, base, cache, debianroot, debootstrap, machine, script

_OPTIONS = ("release", "arch", "variant", "mirror", "packages", "cache_max_age")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_PACKAGES = ("dbus", "iproute2", "systemd", "systemd-sysv")
# mmdebstrap's names of those with which a system can boot.
_VARIANTS = ("minbase", "required", "apt", "essential", "buildd", "important", "debootstrap", "standard")
# Releases in which systemd-resolved is still a part of the package systemd.
_WITH_RESOLVED = ("jessie", "stretch", "buster", "bullseye")
_WEEK = 7 * 86400
_RELEASE = "the name of a release, such as bookworm, of small letters, digits and . + -"
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
    wanted = recipe(options)
    base.seconds(options, "cache_max_age", _WEEK)
    machine.check(wanted.arch)
    if not _program().endswith("/mmdebstrap"):
        debootstrap.check(wanted.variant, wanted.sources, wanted.release, _KEYRING)


def make(options: base.Options, target: base.Target, log: base.Log) -> base.Made:
    wanted = recipe(options)

    def build(rootfs: str) -> None:
        log(f"Making Debian {wanted.release} ({wanted.arch}) from {', '.join(sorted({source.uri for source in wanted.sources}))}")
        bootstrap(wanted, rootfs, log)
        debianroot.finish(rootfs, [source.signed_by for source in wanted.sources if source.signed_by], log)

    cache.copy_of(wanted.name(), base.seconds(options, "cache_max_age", _WEEK), build, target.rootfs, log)
    debianroot.personalise(target.rootfs, target.hostname, log)
    return base.Made(config_lines(options), [])


def config_lines(options: base.Options) -> list[str]:
    return [f"lxc.arch = {_arch(options)}"]


def recipe(options: base.Options) -> Recipe:
    """What the options and the host's sources say."""
    host = host_release()
    release = base.text(options, "release", host or "stable", r"[a-z][a-z0-9.+-]*", _RELEASE)
    variant = base.text(options, "variant", "minbase")
    if variant not in _VARIANTS:
        raise BadValue("template_options[variant]", variant, f"one of {', '.join(_VARIANTS)}")
    sources = tuple(_sources(options, host, release))
    packages = {*_PACKAGES, *base.words(options, "packages", r"[a-z0-9][a-z0-9.+:-]*", "names of Debian packages")}
    if release not in _WITH_RESOLVED:
        packages.add("systemd-resolved")
    if any("https://" in source.uri for source in sources):
        packages.add("ca-certificates")  # or the container's own apt cannot use them
    return Recipe(release, _arch(options), variant, tuple(sorted(packages)), sources)


def _arch(options: base.Options) -> str:
    return base.text(options, "arch", "", r"[a-z0-9][a-z0-9-]*", "the name of an architecture, such as amd64") or machine.host()


def _sources(options: base.Options, host: str, release: str) -> list[aptsources.Source]:
    mirror = base.text(options, "mirror", "", r"(?s)[a-z+]+:/.*", "the address of a Debian mirror")
    if mirror:
        if not re.fullmatch(r"[a-z+]+:/[^\s\[\]]+", mirror):
            raise BadValue("template_options[mirror]", mirror, "the address of a Debian mirror")
        return [aptsources.check(aptsources.Source(mirror, release, ("main",), _signed_by(), "template_options[mirror]"))]
    found = aptsources.select(aptsources.load(), host, release) if host else []
    if not found:
        expected = f"the address of a Debian mirror, as the APT sources of this host name none for {release}"
        raise BadValue("template_options[mirror]", mirror, expected)
    return found


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


def bootstrap(wanted: Recipe, rootfs: str, log: base.Log) -> None:
    program, env = _program(), environment()
    try:
        if program.endswith("/mmdebstrap"):
            script.run([program, *mmdebstrap(wanted, rootfs)], program, log, env)
            return
        release, arch, variant, packages, sources = wanted
        script.run([program, *debootstrap.words(release, arch, variant, packages, sources, _KEYRING, rootfs)], program, log, env)
        debootstrap.complete(rootfs, sources, env, log)
    except StepError as error:
        error.hint = error.hint or "Does the mirror answer? mirror names another one"
        raise


def mmdebstrap(wanted: Recipe, rootfs: str) -> list[str]:
    """It verifies with the keys that the sources name, or those that the host's apt trusts."""
    include = ",".join(wanted.packages)
    words = ["--mode=root", f"--variant={wanted.variant}", f"--architectures={wanted.arch}", f"--include={include}", "--format=directory"]
    return [*words, wanted.release, rootfs, *(source.line() for source in wanted.sources)]


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


def _program() -> str:
    found = command.which("mmdebstrap") or command.which("debootstrap")
    if found is None:
        raise Unsupported("Neither mmdebstrap nor debootstrap is on this host", hint="Install mmdebstrap")
    return found


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        if path == _KEYRING:
            return ""
        raise LxcError(f"The keyring {path}, which an APT source names, cannot be read: {error.strerror}") from error
