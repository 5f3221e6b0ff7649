# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian root by debootstrap(8), where mmdebstrap is not installed. It knows one source and three variants; the rest is done here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ..errors import Unsupported
from . import aptsources, base, debianroot, rootfiles, script

# mmdebstrap's names. The whole (priorities required and important) is debootstrap's variant without a name.
_VARIANTS = {"minbase": "minbase", "required": "minbase", "buildd": "buildd", "important": "", "debootstrap": ""}
_SCHEMES = ("http://", "https://", "file:/", "copy:/")

# No daemon starts while packages are configured (invoke-rc.d(8)); the mounts end with the mount namespace of this script.
# Names are looked up as on the host: the root's resolv.conf is systemd-resolved's already, which does not run.
_UPGRADE = r"""
printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
chmod 755 "$1/usr/sbin/policy-rc.d"
mount -t proc proc "$1/proc"
if [ -f /etc/hosts ]; then
    : >"$1/etc/hosts"
    mount --bind /etc/hosts "$1/etc/hosts"
fi
rm -f "$1/etc/resolv.conf"
[ ! -e /etc/resolv.conf ] || cp -L /etc/resolv.conf "$1/etc/resolv.conf"
chroot "$1" apt-get -q -o APT::Update::Error-Mode=any update
chroot "$1" apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 dist-upgrade
rm "$1/usr/sbin/policy-rc.d"
"""


def check(variant: str, sources: Sequence[aptsources.Source], release: str, keyring: str) -> None:
    """Unsupported for what only mmdebstrap can do, and without keys: nothing could be verified."""
    if variant not in _VARIANTS:
        raise Unsupported(f"debootstrap has no variant {variant}", hint=f"Install mmdebstrap, or say one of {', '.join(_VARIANTS)}")
    uri = _first(sources, release).uri
    if not uri.startswith(_SCHEMES):
        raise Unsupported(f"debootstrap cannot read {uri}", hint="Install mmdebstrap, or say mirror")
    keyring = _first(sources, release).signed_by or keyring
    if not os.path.isfile(keyring):
        raise Unsupported(f"The keyring {keyring} is missing, without which nothing can be verified", hint="Install debian-archive-keyring")


def words(
    release: str, arch: str, variant: str, packages: Sequence[str], sources: Sequence[aptsources.Source], keyring: str, rootfs: str
) -> list[str]:
    """Its arguments, with the source of the release itself."""
    first = _first(sources, release)
    found = ["--force-check-gpg", f"--keyring={first.signed_by or keyring}", f"--arch={arch}", f"--include={','.join(packages)}"]
    found += [f"--variant={_VARIANTS[variant]}"] if _VARIANTS[variant] else []
    return [*found, f"--components={','.join(first.components)}", release, rootfs, first.uri]


def complete(rootfs: str, sources: Sequence[aptsources.Source], env: Mapping[str, str], log: base.Log) -> None:
    """All of the sources, and from the others what is newer, the security fixes above all."""
    rootfiles.write(rootfs, "etc/apt/sources.list", "".join(source.line() + "\n" for source in sources))
    debianroot.take_keys(rootfs, [source.signed_by for source in sources if source.signed_by])
    if len(sources) < 2 or not rootfiles.exists(rootfs, "usr/bin/apt-get"):
        return
    if not all(source.uri.startswith(("http://", "https://")) for source in sources):
        log("Not upgraded from all sources: some are directories of this host")
        return
    log("Upgrading from all sources")
    script.run(["/bin/sh", "-ec", _UPGRADE, "sh", rootfs], "apt-get dist-upgrade", log, dict(env))


def _first(sources: Sequence[aptsources.Source], release: str) -> aptsources.Source:
    return next((source for source in sources if source.suite == release), sources[0])
