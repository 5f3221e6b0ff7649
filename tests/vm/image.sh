#!/usr/bin/env bash
# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds a Debian that QEMU boots by itself: DIR/{kernel,initrd,root.qcow2,key,key.pub}. No loop mount and no boot loader: mke2fs
# fills the file system, and QEMU loads the kernel. Packages come from where this host's apt gets its own.
# usage: tests/vm/image.sh bookworm|trixie plain|zfs DIR
. "$(dirname "$0")/../../ci/lib.sh"
suite=$1 kind=$2 dir=$(realpath -m "$3")
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
root=$dir/rootfs
# The host of containers as its administrator would have it, what the tests compare with, and what later backends need.
packages=(
    systemd systemd-sysv dbus udev kmod openssh-server sudo ca-certificates procps less rsync acl attr xz-utils zstd
    python3 python3-apt python3-pyroute2 python3-pytest lxc python3-lxc busybox-static mmdebstrap debootstrap
    iproute2 nftables iptables dnsmasq-base iputils-ping netbase bridge-utils
    lvm2 thin-provisioning-tools btrfs-progs xfsprogs e2fsprogs parted uidmap fuse3
    apparmor apparmor-utils linux-image-amd64 netcat-openbsd
)

mirrors() { # of this host's own release, by the code name that apt's lists give it
    apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' "Codename: $1" 2>/dev/null | sort -u | head -n 1
}

sources() {
    local own main security areas=main
    own=$(. /etc/os-release && echo "$VERSION_CODENAME")
    main=$(mirrors "$own")
    if [[ -z $main ]]; then # a host whose packages were all there has not asked yet
        apt-get -qq update >&2
        main=$(mirrors "$own")
    fi
    security=$(mirrors "$own-security")
    [[ -n $main ]] || die "apt has no lists of $own; does a package mirror answer to apt-get update?"
    [[ $kind == plain ]] || areas="main contrib"
    echo "deb [signed-by=$keyring] $main $suite $areas"
    echo "deb [signed-by=$keyring] $main $suite-updates $areas"
    [[ -z $security ]] || echo "deb [signed-by=$keyring] $security $suite-security $areas"
}

bootstrap() {
    sources >"$dir/sources.list"
    apt-config dump | grep -E '^Acquire::(Check-|http|https|Retries)' >"$dir/apt.conf" || true # how this host reaches them
    # No initramfs is made: initrd.sh has a smaller one.
    mmdebstrap --mode=root --variant=minbase --include="$(IFS=, && echo "${packages[*]}")" \
        --aptopt="$dir/apt.conf" --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io --dpkgopt=force-confold \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --essential-hook="mkdir -p \"\$1/etc/initramfs-tools\"; echo update_initramfs=no >\"\$1/etc/initramfs-tools/update-initramfs.conf\"" \
        "$suite" "$root" "$dir/sources.list" >"$dir/log" 2>&1 || {
        tail -n 20 "$dir/log" >&2
        die "mmdebstrap could not make $suite"
    }
    rm -f "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$root/etc/apt/apt.conf.d/99mmdebstrap"
    cp "$dir/apt.conf" "$root/etc/apt/apt.conf.d/99host"
}

inside() { # in the new root, with this host's network
    # shellcheck disable=SC2016  # the words are for the inner shell
    unshare --mount --propagation private sh -ec '
        root=$1; shift
        mount --bind "$root" "$root" # so that it is a mount: who unshares mounts inside asks for that
        mount -t proc proc "$root/proc"; mount -t sysfs sysfs "$root/sys"; mount --rbind /dev "$root/dev"; mount -t tmpfs run "$root/run"
        touch "$root/run/resolv.conf"; cat /etc/resolv.conf >"$root/run/resolv.conf"
        mount --bind "$root/run/resolv.conf" "$root/etc/resolv.conf"
        exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"' - "$root" "$@"
}

identity() { # its name, its one network, and who may log in
    [[ -e $dir/key ]] || ssh-keygen -q -t ed25519 -N '' -C hostkit-vm -f "$dir/key"
    inside useradd --create-home --shell /bin/bash admin
    echo 'admin ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/admin"
    local home
    for home in root home/admin; do
        install -d -m 700 "$root/$home/.ssh"
        install -m 600 "$dir/key.pub" "$root/$home/.ssh/authorized_keys"
    done
    inside chown -R admin: /home/admin/.ssh
    echo vm >"$root/etc/hostname"
    printf '127.0.0.1 localhost vm\n::1 localhost\n' >"$root/etc/hosts"
    rm -f "$root/etc/resolv.conf"
    echo 'nameserver 10.0.2.3' >"$root/etc/resolv.conf" # QEMU's
    echo '/dev/vda / ext4 defaults,noatime 0 0' >"$root/etc/fstab"
    echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
    mkdir -p "$root/etc/systemd/network" "$root/etc/ssh/sshd_config.d"
    # Static: nothing waits for a lease.
    printf '[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nIPv6AcceptRA=no\n' >"$root/etc/systemd/network/10-eth0.network"
    printf 'UseDNS no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nMaxSessions 50\nMaxStartups 50:30:100\n' \
        >"$root/etc/ssh/sshd_config.d/vm.conf"
}

# Emulated, each of these costs seconds at boot and is of no use to a host of containers.
trim() {
    inside systemctl --quiet enable systemd-networkd ssh
    inside systemctl --quiet mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
        e2scrub_reap.service fstrim.timer dpkg-db-backup.timer man-db.timer systemd-timesyncd.service systemd-pstore.service \
        systemd-update-utmp.service systemd-journal-flush.service keyboard-setup.service console-setup.service \
        systemd-hwdb-update.service getty@tty1.service getty-static.service serial-getty@ttyS0.service modprobe@drm.service \
        lvm2-monitor.service zfs-zed.service
    # LXC's own bridge and boot are not under test; what is, makes its own.
    inside systemctl --quiet disable lxc.service lxc-net.service
    local module
    for module in powernow_k8 kvm_amd kvm_intel kvm ccp cfg80211 psmouse pcspkr iTCO_wdt lpc_ich i2c_i801 evdev serio_raw; do
        echo "blacklist $module"
    done >"$root/etc/modprobe.d/vm.conf"
    mkdir -p "$root/etc/systemd/journald.conf.d"
    printf '[Journal]\nStorage=volatile\n' >"$root/etc/systemd/journald.conf.d/vm.conf"
}

# The root file systems of Debian containers, made by the template itself: emulated, it would take many minutes.
containers_debian() {
    mkdir -p "$root/opt/image"
    cp -a "$HERE/plugins/module_utils/_lxc" "$root/opt/image/"
    inside env PYTHONPATH=/opt/image PYTHONDONTWRITEBYTECODE=1 python3 - >>"$dir/log" 2>&1 <<'PY' || {
import os
import tempfile

from _lxc import paths
from _lxc.template import base, debian

for options in ({}, {"packages": ["python3-minimal", "libpython3-stdlib"]}):
    with tempfile.TemporaryDirectory() as work:
        os.mkdir(f"{work}/rootfs")
        debian.make(options, base.Target(paths.container("warm", work), f"{work}/rootfs"), print)
PY
        tail -n 20 "$dir/log" >&2
        die "the template could not make Debian in the image"
    }
    rm -rf --one-file-system "$root/opt/image"
}

disk() {
    local version
    version=$(find "$root/lib/modules" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -V | tail -n 1)
    cp "$root/boot/vmlinuz-$version" "$dir/kernel"
    "$HERE/tests/vm/initrd.sh" "$root" "$version" "$dir/initrd"
    mke2fs -q -t ext4 -L root -O ^has_journal -E lazy_itable_init=1,nodiscard -d "$root" "$dir/root.raw" 8G >/dev/null
    qemu-img convert -O qcow2 "$dir/root.raw" "$dir/root.qcow2"
    rm "$dir/root.raw"
    rm -rf --one-file-system "$root"
}

timed() {
    local began=$SECONDS
    "$@"
    say "  $1: $((SECONDS - began)) s"
}

[[ $suite == bookworm || $suite == trixie ]] || die "there is no recipe for $suite: bookworm or trixie"
[[ $kind == plain || $kind == zfs ]] || die "there is no kind $kind of image: plain or zfs"
mkdir -p "$dir"
timed bootstrap
identity
trim
[[ $kind == plain ]] || timed "$HERE/tests/vm/zfs.sh" "$root"
timed containers_debian
inside apt-get clean
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
timed disk
