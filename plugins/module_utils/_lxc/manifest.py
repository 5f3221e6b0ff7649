# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file of the runtime in a literal import: Ansible ships to a target only what it finds so. Nothing here is ever called.

Written by ci/manifest.py; a test holds it to the tree.
"""

from __future__ import annotations


def leaves() -> tuple[object, ...]:
    from . import compiled, daemon, digest, errors, paths, rollback

    return compiled, daemon, digest, errors, paths, rollback


def cgroup() -> tuple[object, ...]:
    from .cgroup import devices, layout, limits, values

    return devices, layout, limits, values


def config() -> tuple[object, ...]:
    from .config import edit, items, keys, lines, model, parser, repoint, values, writer

    return edit, items, keys, lines, model, parser, repoint, values, writer


def kernel() -> tuple[object, ...]:
    from .kernel import (
        addresses,
        beneath,
        bound,
        btrfs,
        cgroup_bpf,
        cgroupfs,
        command,
        credentials,
        filelock,
        inherited,
        inodeflags,
        inotify,
        interfaces,
        libc,
        loop,
        lvm,
        mount,
        mount_old,
        mount_options,
        mountinfo,
    )

    return (
        addresses,
        beneath,
        bound,
        btrfs,
        cgroup_bpf,
        cgroupfs,
        command,
        credentials,
        filelock,
        inherited,
        inodeflags,
        inotify,
        interfaces,
        libc,
        loop,
        lvm,
        mount,
        mount_old,
        mount_options,
        mountinfo,
    )


def kernel_namespace() -> tuple[object, ...]:
    from .kernel import namespace, netlink, orphans, process, processusage, rename, rtmessage, sockets, systemd, tree, tty, usage, zfs

    return namespace, netlink, orphans, process, processusage, rename, rtmessage, sockets, systemd, tree, tty, usage, zfs


def lifecycle() -> tuple[object, ...]:
    from .lifecycle import (
        apart,
        archive,
        attach,
        attach_child,
        attach_kill,
        attach_scope,
        attach_signals,
        attach_stream,
        attach_target,
        attach_user,
        bridge,
        bridge_dhcp,
        bridge_firewall,
        byhand,
        claim,
        clocks,
        clone,
        cloneconfig,
        clonefiles,
        configfile,
    )

    return (
        apart,
        archive,
        attach,
        attach_child,
        attach_kill,
        attach_scope,
        attach_signals,
        attach_stream,
        attach_target,
        attach_user,
        bridge,
        bridge_dhcp,
        bridge_firewall,
        byhand,
        claim,
        clocks,
        clone,
        cloneconfig,
        clonefiles,
        configfile,
    )


def lifecycle_create() -> tuple[object, ...]:
    from .lifecycle import (
        create,
        dependents,
        destroy,
        details,
        ephemeral,
        evidence,
        exchange,
        fifo,
        finish,
        finishing,
        freeze,
        hook_scope,
        hooks,
        hostconf,
        identity,
        info,
        init,
        intent,
        ledger,
        lock,
    )

    return (
        create,
        dependents,
        destroy,
        details,
        ephemeral,
        evidence,
        exchange,
        fifo,
        finish,
        finishing,
        freeze,
        hook_scope,
        hooks,
        hostconf,
        identity,
        info,
        init,
        intent,
        ledger,
        lock,
    )


def lifecycle_log() -> tuple[object, ...]:
    from .lifecycle import (
        log,
        migrate,
        namespaces,
        newconfig,
        partial,
        recovery,
        rehearsal,
        rename,
        renamed,
        renaming,
        replace,
        replacing,
        restore,
        room,
        rootowner,
        snapshot,
        snapshot_list,
        source,
        start,
        start_errors,
    )

    return (
        log,
        migrate,
        namespaces,
        newconfig,
        partial,
        recovery,
        rehearsal,
        rename,
        renamed,
        renaming,
        replace,
        replacing,
        restore,
        room,
        rootowner,
        snapshot,
        snapshot_list,
        source,
        start,
        start_errors,
    )


def lifecycle_startable() -> tuple[object, ...]:
    from .lifecycle import startable, stop, unapplied, users, volumes, wholefile

    return startable, stop, unapplied, users, volumes, wholefile


def monitor() -> tuple[object, ...]:
    from .monitor import (
        adopt,
        answers,
        console,
        ending,
        environment,
        freezing,
        handover,
        keeper,
        launcher,
        launchers,
        link,
        listen,
        loop,
        main,
        notify,
        places,
        record,
        replace,
        requests,
        serve,
    )

    return (
        adopt,
        answers,
        console,
        ending,
        environment,
        freezing,
        handover,
        keeper,
        launcher,
        launchers,
        link,
        listen,
        loop,
        main,
        notify,
        places,
        record,
        replace,
        requests,
        serve,
    )


def monitor_state() -> tuple[object, ...]:
    from .monitor import state, supervise, table

    return state, supervise, table


def network() -> tuple[object, ...]:
    from .network import base, inside, types, veth

    return base, inside, types, veth


def reconcile() -> tuple[object, ...]:
    from .reconcile import (
        archiving,
        asked,
        beside,
        besides,
        bridge,
        bridge_making,
        checks,
        cloning,
        command,
        conditions,
        container,
        course,
        desired,
        drift,
        effects,
        facts,
        fleet,
        inside,
        meaning,
        missing,
    )

    return (
        archiving,
        asked,
        beside,
        besides,
        bridge,
        bridge_making,
        checks,
        cloning,
        command,
        conditions,
        container,
        course,
        desired,
        drift,
        effects,
        facts,
        fleet,
        inside,
        meaning,
        missing,
    )


def reconcile_moves() -> tuple[object, ...]:
    from .reconcile import (
        moves,
        observe,
        observe_config,
        options,
        origin,
        parameters,
        passing,
        place,
        plan,
        reconciliation,
        removal,
        renaming,
        settled,
        shortage,
        snapshot,
        snapshot_facts,
        snapshot_plan,
        stored,
        task,
        verbs,
    )

    return (
        moves,
        observe,
        observe_config,
        options,
        origin,
        parameters,
        passing,
        place,
        plan,
        reconciliation,
        removal,
        renaming,
        settled,
        shortage,
        snapshot,
        snapshot_facts,
        snapshot_plan,
        stored,
        task,
        verbs,
    )


def reconcile_wait() -> tuple[object, ...]:
    from .reconcile import wait, work

    return wait, work


def rootfs() -> tuple[object, ...]:
    from .rootfs import autodev, automounts, console, kernelvalues, mounts, pivot

    return autodev, automounts, console, kernelvalues, mounts, pivot


def security() -> tuple[object, ...]:
    from .security import capabilities, posture

    return capabilities, posture


def storage() -> tuple[object, ...]:
    from .storage import (
        aufs,
        aufsmerge,
        backends,
        base,
        btrfs,
        copy,
        grow,
        loop,
        lvm,
        mkfs,
        named,
        naming,
        opened,
        overlayfs,
        rare,
        size,
        volume,
        zfs,
    )
    from .storage import dir as dir_

    return (
        aufs,
        aufsmerge,
        backends,
        base,
        btrfs,
        copy,
        dir_,
        grow,
        loop,
        lvm,
        mkfs,
        named,
        naming,
        opened,
        overlayfs,
        rare,
        size,
        volume,
        zfs,
    )


def template() -> tuple[object, ...]:
    from .template import (
        aptsources,
        archive,
        base,
        busybox,
        cache,
        debian,
        debianroot,
        debootstrap,
        local,
        machine,
        metadata,
        none,
        placing,
        rootfiles,
        run,
        script,
    )

    return (
        aptsources,
        archive,
        base,
        busybox,
        cache,
        debian,
        debianroot,
        debootstrap,
        local,
        machine,
        metadata,
        none,
        placing,
        rootfiles,
        run,
        script,
    )


def wire() -> tuple[object, ...]:
    from .wire import ahead, client, connection, exchange, host, payloads, presence, protocol, query, several

    return ahead, client, connection, exchange, host, payloads, presence, protocol, query, several
