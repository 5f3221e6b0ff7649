#!/usr/bin/env bash
# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes an initrd of a few MB: busybox, and the modules that mount /dev/vda. usage: tests/vm/initrd.sh ROOT KERNEL-VERSION FILE
. "$(dirname "$0")/../../ci/lib.sh"
root=$1 version=$2 file=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{bin,dev,proc,mnt,modules}
cp "$root/bin/busybox" "$work/bin/busybox"
number=10 # in the order in which they are to be loaded
while read -r module; do
    name=$work/modules/$number-$(basename "$module")
    case $module in
        *.xz) xz --decompress --stdout "$root$module" >"${name%.xz}" ;;
        *.zst) zstd --quiet --decompress --stdout "$root$module" >"${name%.zst}" ;;
        *) cp "$root$module" "$name" ;;
    esac
    number=$((number + 1))
done < <(for module in virtio_pci virtio_blk crc32c_generic ext4; do
    chroot "$root" modprobe --set-version "$version" --show-depends "$module" 2>/dev/null || true
done | awk '$1 == "insmod" && !seen[$2]++ {print $2}')
((number > 13)) || die "the modules of $version that mount a disk are not below $root"
cat >"$work/init" <<'SH'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
for module in /modules/*; do /bin/busybox insmod "$module"; done
for _ in $(/bin/busybox seq 200); do
    [ -b /dev/vda ] && break
    /bin/busybox sleep 0.05
done
/bin/busybox mount -t ext4 -o rw,noatime /dev/vda /mnt || { echo "initrd: /dev/vda cannot be mounted"; /bin/busybox poweroff -f; }
/bin/busybox mount --move /dev /mnt/dev
/bin/busybox umount /proc
exec /bin/busybox switch_root /mnt /sbin/init
SH
chmod 755 "$work/init"
(cd "$work" && find . | "$root/bin/busybox" cpio -o -H newc 2>/dev/null) >"$file"
