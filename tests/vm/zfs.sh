#!/usr/bin/env bash
# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Puts OpenZFS into a root file system: the modules are compiled in a chroot, for the kernel that it has, at this host's own
# speed; what compiled them goes again. Its APT sources must have contrib. usage: tests/vm/zfs.sh ROOT
. "$(dirname "$0")/../../ci/lib.sh"
root=$(realpath "$1")
log=$(dirname "$root")/zfs.log
version=$(find "$root/lib/modules" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -V | tail -n 1)
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
mv "$root/etc/resolv.conf" "$root/etc/resolv.conf.guest"
cp --dereference /etc/resolv.conf "$root/etc/resolv.conf"
trap 'rm -f "$root/usr/sbin/policy-rc.d"; mv "$root/etc/resolv.conf.guest" "$root/etc/resolv.conf"' EXIT

inside() {
    # shellcheck disable=SC2016  # the words are for the inner shell
    unshare --mount --propagation private sh -ec 'root=$1; shift; mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"
        exec chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@"' - "$root" "$@" >>"$log" 2>&1 </dev/null || {
        tail -n 20 "$log" >&2
        die "$1 $2 failed in the image"
    }
}
apt() { inside apt-get --quiet --yes -o APT::Install-Recommends=false -o DPkg::Options::=--force-unsafe-io "$@"; }

: >"$log"
apt update
apt install "linux-headers-$version" dkms # of this very kernel: dkms builds for each whose headers are there
apt install zfs-dkms
apt install zfsutils-linux
modules=$root/lib/modules/$version/updates
find "$modules" -name '*.ko' -exec strip --strip-debug {} +
cp -a "$modules" "$root/tmp/modules"
apt purge zfs-dkms dkms "linux-headers-$version"
apt autoremove --purge
rm -rf "$modules"
mv "$root/tmp/modules" "$modules"
inside depmod "$version"
inside modinfo -k "$version" zfs
