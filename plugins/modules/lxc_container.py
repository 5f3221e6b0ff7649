#!/usr/bin/python
# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc_container: containers as they should be."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_container
short_description: Create, configure, start, stop, freeze and remove LXC containers
version_added: 0.1.0
description:
  - Brings LXC system containers to the wanted state. Neither liblxc nor the LXC tools are needed on the host.
  - The containers are LXC containers. LXC's own tools work on what this module made, and this module on what they made.
  - Only what is said is compared and changed. An option that is not given leaves things as they are.
author:
  - hostkit contributors (@hostkit)
extends_documentation_fragment:
  - hostkit.lxc.lxc
  - hostkit.lxc.attributes
  - hostkit.lxc.attributes.action_group
  - hostkit.lxc.attributes.linux
attributes:
  check_mode:
    support: full
    details:
      - Conditions of O(wait_for) are not waited for.
  diff_mode:
    support: full
    details:
      - The diff of the config file shows the names of environment variables and not their values.
      - In that of a new container, an C(x) stands for each digit of a MAC address that is drawn when it is made. What a template script or
        the metadata of an image adds is not in it.
  idempotent:
    support: partial
    details:
      - O(state=restarted) restarts the container every time.
options:
  name:
    description:
      - The names of the containers. Several containers are handled in one task, in parallel where that helps.
      - With several names a failure of one does not stop the others. The task fails when one of them failed.
    type: list
    elements: str
    required: true
  state:
    description:
      - What is wanted. L(The page on states,https://github.com/hostkit/hostkit.lxc/blob/main/docs/states.md) has the table of what is
        done for each of them, however the container stands.
      - A container that does not exist is made only when O(template) or O(clone_from) is given. Otherwise every state but V(absent) is an
        error.
      - One that somebody else is making, starting or stopping at that moment is waited for, half a minute at most.
    type: str
    default: started
    choices:
      started: It exists and runs. A frozen one is thawed.
      stopped: It exists and does not run.
      restarted: It exists and has been started by this task. One that runs is not stopped where it is found that it would not start.
      frozen: It exists and is frozen. A stopped one is started first.
      present: It exists. Whether it runs is not changed.
      absent: It does not exist. A running one is stopped first. Refused while it has snapshots, or while clones depend on it.
  new_name:
    description:
      - The name that the container gets. Everything else that the task says is about the container under its new name.
      - Its directory moves, and its config, the config and lists of its clones, its log, the host name in its root filesystem and
        C(lxc.uts.name) follow. MAC addresses, and the machine's id, stay. Its snapshots go along, with the host name in their config; the
        files in them are as they were when they were made.
      - When there is no container of the old name and one of the new name is there, nothing is left to do. When both are there, it is an
        error. When neither is, the new one is made where O(template) or O(clone_from) says from what.
      - It is stopped for that with O(state=stopped) and O(state=restarted). With any other state one that runs is an error, and so is a
        clone that runs with its files.
      - With several names it must have C(%n) in it, which becomes the old name.
    type: str
  template:
    description:
      - What a container that does not exist is made from. One that exists stays as it is. When its config says that it was made from
        another template, that is a warning.
      - V(debian) makes a Debian system, V(busybox) the smallest one, V(local) takes a tarball, V(none) makes no root
        filesystem.
      - Anything else is the name of an LXC template script in C(/usr/share/lxc/templates), or the path of one.
    type: str
  template_options:
    description:
      - Options for the template, as a dictionary. V(true) is a bare flag, a list repeats the option.
      - They are for a container that is made, and compared with nothing afterwards.
      - A string, as community.general.lxc_container takes it, is refused.
    type: raw
  clone_from:
    description:
      - The container that one that does not exist is made from, by its name in the same O(lxc_path), or by the absolute path of its
        directory. One that exists stays as it is.
      - The copy has all of the root filesystem and of the config, with a host name and MAC addresses of its own. Paths in the config that
        lie in the directory of the source lie in its own, with the fstab, the hooks and the seccomp policy. Hooks of the kind C(clone)
        are run, but for LXC's C(clonehostname), whose work is done anyway. What this task says of the config is laid over it.
      - IP addresses and the names of the host's ends of veth pairs are the same as the source's, as C(lxc-copy) leaves them.
      - The host name is written to C(/etc/hostname) and C(/etc/hosts), and C(/etc/machine-id) is emptied, so that systemd draws another.
      - The source is neither stopped nor started. It is stopped, or frozen, or it runs and O(clone_snapshot) can take it in one moment.
        Otherwise it is an error. It is one, too, when it is started while it is copied.
      - With several names each is made from the same source. It cannot be one of them.
      - Not together with O(template).
    type: str
  clone_snapshot:
    description:
      - Whether the new container shares the files of O(clone_from), as C(lxc-copy -s), and keeps only what it changes. With V(dir) and
        V(overlayfs) the result is an overlay over the source, which cannot be removed before it, and whose files should not change from
        then on.
      - When it is not given, everything is copied.
    type: bool
  ephemeral:
    description:
      - Whether the container is gone once it has stopped, however that came about, as with C(lxc-copy -e). It is C(lxc.ephemeral) in the
        config. A restart from within keeps it.
      - It needs O(clone_from), of which it is a snapshot, unless O(clone_snapshot=false) says otherwise.
      - What is left of one after the host went down is removed by the next task that is about it.
      - With O(state=stopped) one that is not there is as it should be. With O(state=restarted) it is an error, as is the restart of any
        container that is ephemeral.
    type: bool
  ephemeral_tmpfs:
    description:
      - Whether what an O(ephemeral) container changes is kept in memory. It needs a clone that is an overlay, as one of a V(dir) and of an
        V(overlayfs) is. A restart from within loses it, too.
    type: bool
  backing_store:
    description:
      - How the root filesystem of a new container is kept. It is an error when that of a container that exists is kept in another way,
        unless O(migrate=true).
      - When it is not given, V(dir) is used for a new container, and for one that is made with O(clone_from) what its source has.
      - Not together with O(template=none), which makes no root filesystem.
      - What the host lacks for one, in its kernel or among its programs, is named in check mode too.
    type: str
    choices:
      dir: A plain directory.
      overlayfs: A directory below an overlay that takes the changes.
      btrfs: A subvolume, where O(lxc_path) is on a btrfs.
      loop: A filesystem in an image file. The host needs the program that makes it, as C(mkfs.ext4), for that only.
      lvm: A filesystem in a logical volume, thin where O(thinpool) is. The host needs the programs of LVM2, and the one that makes the
        filesystem. A snapshot of a volume that is not thin needs its origin, which cannot be removed or grow before it is gone.
      zfs: A dataset of OpenZFS. The host needs the program C(zfs).
      aufs: What V(overlayfs) is, on a kernel that has aufs.
      best: V(btrfs) where O(lxc_path) is on one, else V(dir). Any is right for a container that exists.
  archive:
    description:
      - A file that the container is written to, C(.tar.zst), C(.tar.xz) or C(.tar.gz), which only root can read. It has the config and the
        root filesystem, with owners by number, extended attributes, ACLs, capabilities, hard links, holes and device nodes, and no sockets.
      - O(template=local) makes a container from it.
      - A file that is there already stays as it is, unless O(force=true), and is no change.
      - It is written when all else is done, and before the container is started or removed. One that is frozen may be written, and one
        that runs where its backing store takes a snapshot of one moment, as V(btrfs). Else one that runs is an error.
      - The directory above it exists, and is not the container's own. With several names it must have C(%n) in it, which becomes the name.
    type: path
  force:
    description:
      - Whether O(archive) is written anew where there is such a file, which is a change each time.
    type: bool
  migrate:
    description:
      - Whether the root filesystem of a container that exists is moved, where O(backing_store) is another than it has. All of it is copied
        into new storage, as O(size), O(fs_type) and O(directory) say, which comes into the place of the old in one moment; that is removed
        last. When anything fails, the container is as it was.
      - It is stopped for that with O(state=stopped) and O(state=restarted). With any other state one that runs is an error, and so are
        snapshots of it, and clones that use its files.
      - One of V(aufs) can be moved on a kernel that has none, too.
    type: bool
  size:
    description:
      - How much the root filesystem may hold, as C(512M) or C(2G), in steps of 1024. A number alone is bytes.
      - With O(backing_store=loop) it is the size of the image, 1 GiB when it is not given. It takes room only as it is filled. The
        image of a container that exists grows, while it runs too. It is an error when it is larger already, as it cannot shrink.
      - With O(backing_store=lvm) it is the size of the volume, in whole extents of its group, 1 GiB when it is not given. It grows as an
        image does, but not while it has snapshots that are not thin.
      - With O(backing_store=zfs) it is the limit of what the files may take (C(refquota)), and none when it is not given. It can be changed
        in both directions, while the container runs too, but not below what is there.
      - With O(backing_store=btrfs) it is the limit of the subvolume's quota group, and none when it is not given. It can be changed in both
        directions, while the container runs too. The first limit enables quotas for the whole btrfs, which makes it slower.
      - Any other backing store has no size, and it is an error.
    type: str
    aliases: [fs_size]
  fs_type:
    description:
      - The filesystem in the image or the volume of a new container, with O(backing_store=loop) or O(backing_store=lvm). V(ext4) when it
        is not given.
      - It is for a container that is made, and compared with nothing afterwards.
    type: str
    choices: [ext4, ext3, ext2, xfs, btrfs]
  vg_name:
    description:
      - The volume group for the root filesystem of a new container, with O(backing_store=lvm). When it is not given, it is
        C(lxc.bdev.lvm.vg) of C(/etc/lxc/lxc.conf), or C(lxc), and for one that is made with O(clone_from) that of its source.
      - It is an error when the volume of a container that exists is in another group.
    type: str
  lv_name:
    description:
      - The name of the logical volume of a new container, with O(backing_store=lvm). When it is not given, it is the container's, and
        that of a snapshot C(CONTAINER_SNAPSHOT).
      - After M(hostkit.lxc.lxc_snapshot) has restored the container a number is added, or gone again (C(web.1)), which is the same name
        here.
      - It is an error when the volume of a container that exists has another name.
      - With several names it must have C(%n) in it, which becomes the name.
    type: str
  thinpool:
    description:
      - The thin pool in O(vg_name) for the volume of a new container, with O(backing_store=lvm). When it is not given, it is
        C(lxc.bdev.lvm.thin_pool) of C(/etc/lxc/lxc.conf), or C(lxc) where the group has such a pool. Otherwise the volume is not thin.
      - With an empty string it is not thin either.
      - It is for a container that is made, and compared with nothing afterwards.
    type: str
  zfs_root:
    description:
      - The dataset below which the one of a new container is made, with O(backing_store=zfs). When it is not given, it is
        C(lxc.bdev.zfs.root) of C(/etc/lxc/lxc.conf), or C(lxc), and for one that is made with O(clone_from) that of its source.
      - It is an error when the dataset of a container that exists is below another one.
    type: str
  directory:
    description:
      - The directory of the root filesystem of a new container, with O(backing_store=dir). It is empty or does not exist, and the one
        above it exists.
      - It is an error when the root filesystem of a container that exists is elsewhere.
      - Not together with O(template=none), which makes no root filesystem.
      - In its usual place the root filesystem is out of the reach of the host's users. Elsewhere, a directory that is closed to them has
        to be above it, because a root filesystem has set-user-id programs of its own.
      - With several names it must have C(%n) in it, which becomes the name.
    type: path
  config:
    description:
      - A dictionary of LXC config keys to values, see C(lxc.container.conf(5)). Legacy and modern spellings are understood, and the
        modern one is written.
      - A list is the whole list, V(null) removes the key's lines, and an empty string writes the line that clears what an
        included file has set. Booleans become C(1) and C(0). A list of several values for a key that has only one is refused.
      - With V(null) a key that LXC does not have is understood, too. It takes away the lines that keep a config from being loaded.
        A config in which such lines are left is an error for every task that says something about it.
      - A path, as community.general.lxc_container takes it, is refused.
    type: raw
  container_config:
    description:
      - A list of C(key=value), for playbooks that were written for community.general.lxc_container. A key that comes twice is a list, and
        is refused where the key has only one value.
      - Not together with O(config).
    type: list
    elements: str
  hostname:
    description:
      - The host name inside, C(lxc.uts.name). C(%n) becomes the container's name.
    type: str
  arch:
    description:
      - The architecture, C(lxc.arch).
    type: str
  network:
    description:
      - The network interfaces, all of them. An empty list is a network of its own with only C(lo).
      - What an item does not say of the interface that is there at the same place, and is of the same type, stays.
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - The type of the interface. V(phys), V(macvlan), V(ipvlan) and V(vlan) are written, and not started yet. A container with one
            of them cannot be started by this version.
        type: str
        required: true
        choices:
          - veth
          - empty
          - none
          - phys
          - macvlan
          - ipvlan
          - vlan
      link:
        description:
          - The host's bridge or interface that it is linked to.
        type: str
      name:
        description:
          - The name inside.
        type: str
      hwaddr:
        description:
          - The MAC address. Quote it, because YAML reads one of digits only as a number.
        type: str
      flags:
        description:
          - What is done to the interface. When it is not given, V(up) is written.
        type: str
      mtu:
        description:
          - The MTU.
        type: str
      ipv4:
        description:
          - IPv4 addresses with prefix, such as V(10.0.3.5/24).
        type: list
        elements: str
      ipv4_gateway:
        description:
          - The IPv4 gateway, or V(auto) for the address of the bridge.
        type: str
      ipv6:
        description:
          - IPv6 addresses with prefix.
        type: list
        elements: str
      ipv6_gateway:
        description:
          - The IPv6 gateway, or V(auto) for the address of the bridge.
        type: str
      veth_pair:
        description:
          - The name of the host's end of a veth pair.
        type: str
      vlan_id:
        description:
          - The number of the VLAN.
        type: str
      macvlan_mode:
        description:
          - The mode of a macvlan interface.
        type: str
      ipvlan_mode:
        description:
          - The mode of an ipvlan interface.
        type: str
      script_up:
        description:
          - A script on the host that is run once the interface has been made.
        type: str
      script_down:
        description:
          - A script on the host that is run before the interface is removed.
        type: str
  mounts:
    description:
      - What is mounted in the container, all of it (C(lxc.mount.entry)).
    type: list
    elements: dict
    suboptions:
      source:
        description:
          - A path of the host, or the name of a filesystem such as V(tmpfs).
        type: str
        required: true
      target:
        description:
          - Where it appears, below the container's root.
        type: str
        required: true
      type:
        description:
          - The type of the filesystem. When it is not given, V(none) is written, as for a bind mount.
        type: str
      options:
        description:
          - Mount options. LXC adds V(optional), V(create=dir), V(create=file) and V(relative) to those of C(mount(8)).
          - When it is not given, V(create=dir) is written, and V(bind) where O(mounts[].type) is not given either.
        type: list
        elements: str
  hooks:
    description:
      - A dictionary of hook names (such as C(pre-start)) to a command or a list of commands. Each is the whole list of that hook.
      - Hooks that run on the host when a container ends (C(stop), C(post-stop)) have five minutes altogether, or 20 seconds from when it
        is killed meanwhile. Then they are ended, the rest is cleaned up without them, and a start that waits for that is warned.
      - C(clone) is run when another container is made from this one with O(clone_from).
    type: dict
  autostart:
    description:
      - Whether and how the container is started with the host.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether it is started, C(lxc.start.auto).
        type: bool
      delay:
        description:
          - Seconds to wait after it, before the next one, C(lxc.start.delay).
        type: int
      order:
        description:
          - A container with a higher number is started earlier, C(lxc.start.order).
        type: int
      groups:
        description:
          - The groups that it belongs to, C(lxc.group), all of them.
        type: list
        elements: str
  capabilities:
    description:
      - Capabilities, in lower case and without C(CAP_).
    type: dict
    suboptions:
      drop:
        description:
          - The capabilities that the container does not have.
        type: list
        elements: str
      keep:
        description:
          - The only capabilities that the container has. An empty list keeps none.
          - A line that clears what an included file drops is written above it.
        type: list
        elements: str
  environment:
    description:
      - Environment variables of the container's init, all of them. Their values stay out of diffs and logs.
    type: dict
  cgroup:
    description:
      - A dictionary of cgroup files to values, with the names of cgroup v1 or v2, such as C(memory.max).
      - A name that both versions have is written for both. What is said for the version that the host does not use has no effect there,
        and a warning at each start says so.
      - C(devices.allow) and C(devices.deny) are lists of rules such as C(c 10:237 rwm), which are applied with both versions.
    type: dict
  apparmor_profile:
    description:
      - The AppArmor profile. It is written, and not applied yet. Where the host has AppArmor, a warning at each start says so, except for
        V(unconfined) and V(unchanged).
    type: str
  seccomp_profile:
    description:
      - The path of the seccomp policy. It is written, and not applied yet. A warning at each start says so.
    type: str
  selinux_context:
    description:
      - The SELinux context. It is written, and not applied yet. Where the host has SELinux, a warning at each start says so.
    type: str
  stop_timeout:
    description:
      - Seconds that a container has to shut down before it is killed. V(0) kills at once.
      - When it is not given, 60 seconds are waited.
      - Once it has ended, its C(stop) and C(post-stop) hooks are waited for as long again, and a minute at least.
    type: int
    aliases:
      - timeout
  wait_for:
    description:
      - What to wait for after the start, in this order. It is waited for when the container was running already, too.
      - V(running), V(ipv4), V(ipv6) (a global address), V(systemd) (the system is up), C(port:N) (a TCP port on which something
        listens inside) and C(path:/x) (a path that exists inside).
    type: list
    elements: str
  wait_timeout:
    description:
      - Seconds to wait, for the start and for all of O(wait_for). When it is over, the task fails and says what it saw last.
      - When it is not given, 60 seconds are waited.
    type: int
  restart:
    description:
      - What to do with changes that a running container cannot take. When it is not given, V(never) is meant.
    type: str
    choices:
      never: Nothing. The keys are listed in RV(containers[].pending_restart).
      if_needed: The container is restarted.
  delete_snapshots:
    description:
      - Whether O(state=absent) removes the snapshots of the container with it. When it is not given, it refuses to.
    type: bool
  container_log:
    description:
      - Accepted for playbooks that were written for community.general.lxc_container. It changes nothing, because every container's log
        is written.
    type: bool
  container_log_level:
    description:
      - The same as O(log_level), for playbooks that were written for community.general.lxc_container.
    type: str
    choices:
      - TRACE
      - DEBUG
      - INFO
      - NOTICE
      - WARN
      - ERROR
      - CRIT
      - ALERT
      - FATAL
  clone_name:
    description:
      - An option of community.general.lxc_container that means nothing here. It is refused with a message that says what to write.
    type: str
  container_command:
    description:
      - An option of community.general.lxc_container that means nothing here. It is refused with a message that says what to write.
    type: str
requirements:
  - C(pyroute2) 0.7.2 or later for the Python that runs the module.
seealso:
  - module: hostkit.lxc.lxc_container_info
  - module: hostkit.lxc.lxc_attach
"""

EXAMPLES = r"""
- name: A Debian container that runs and has an address
  hostkit.lxc.lxc_container:
    name: web
    template: debian
    template_options:
      release: bookworm
      packages:
        - nginx
    wait_for:
      - ipv4
      - port:80

- name: Three containers in one task, without a network
  hostkit.lxc.lxc_container:
    name:
      - one
      - two
      - three
    template: busybox
    network: []

- name: A root filesystem of its own size; with another size later the image grows, and nothing has to stop
  hostkit.lxc.lxc_container:
    name: db
    template: debian
    backing_store: loop
    fs_type: xfs
    size: 8G

- name: A thin volume, of which later clones share what they do not change
  hostkit.lxc.lxc_container:
    name: db
    template: debian
    backing_store: lvm
    vg_name: vg0
    thinpool: pool
    size: 8G

- name: The same container on a dataset
  hostkit.lxc.lxc_container:
    name: db-zfs
    clone_from: db
    backing_store: zfs
    zfs_root: tank/lxc

- name: Limits, a directory of the host and start with the host; restart it if it cannot go live
  hostkit.lxc.lxc_container:
    name: web
    cgroup:
      memory.max: 512M
    mounts:
      - source: /srv/www
        target: /srv/www
    autostart:
      enabled: true
      order: 10
    config:
      lxc.tty.max: 2
    restart: if_needed

- name: Two more like it, each with an address of its own
  hostkit.lxc.lxc_container:
    name:
      - web2
      - web3
    clone_from: web
    network:
      - type: veth
        link: lxcbr0

- name: One to try something on, which takes no time and no room to make
  hostkit.lxc.lxc_container:
    name: web-try
    clone_from: web
    clone_snapshot: true

- name: Write it to a file before it is removed
  hostkit.lxc.lxc_container:
    name: web
    state: absent
    archive: /srv/backup/%n.tar.zst

- name: Make it again from that
  hostkit.lxc.lxc_container:
    name: web
    template: local
    template_options:
      fstree: /srv/backup/web.tar.zst
      devices: true

- name: Keep it in an image from now on
  hostkit.lxc.lxc_container:
    name: web
    state: restarted
    backing_store: loop
    size: 10G
    migrate: true

- name: One to try something on that is gone once it is stopped, and that writes to no disk
  hostkit.lxc.lxc_container:
    name: web-once
    clone_from: web
    ephemeral: true
    ephemeral_tmpfs: true

- name: Another name; stopped for that, and started again
  hostkit.lxc.lxc_container:
    name: web-try
    new_name: web4
    state: restarted

- name: Shut it down, with half a minute for that
  hostkit.lxc.lxc_container:
    name: web
    state: stopped
    stop_timeout: 30

- name: Remove it
  hostkit.lxc.lxc_container:
    name: web
    state: absent
"""

RETURN = r"""
containers:
  description: One item for each name, in the order of O(name).
  returned: when the options were understood
  type: list
  elements: dict
  contains:
    name:
      description: The name.
      type: str
      returned: always
      sample: web
    state:
      description: The state in LXC's words, or V(ABSENT). In check mode it is the one that would be reached.
      type: str
      returned: always
      sample: RUNNING
    init_pid:
      description: The process id of its init on the host, or V(-1).
      type: int
      returned: always
      sample: 4711
    interfaces:
      description: The names of the interfaces inside, without C(lo).
      type: list
      elements: str
      returned: always
      sample: [eth0]
    ipv4:
      description: Global IPv4 addresses inside.
      type: list
      elements: str
      returned: always
      sample: ["10.0.3.17"]
    ipv6:
      description: Global IPv6 addresses inside.
      type: list
      elements: str
      returned: always
      sample: []
    config_path:
      description: The config file.
      type: str
      returned: always
      sample: /var/lib/lxc/web/config
    rootfs:
      description: The root filesystem, as C(lxc.rootfs.path) has it; the plain path of a directory.
      type: str
      returned: always
      sample: /var/lib/lxc/web/rootfs
    changed:
      description: Whether this container was changed.
      type: bool
      returned: always
    failed:
      description: Whether it failed for this container.
      type: bool
      returned: always
    msg:
      description: What went wrong.
      type: str
      returned: when it failed for this container
    actions:
      description: What was done, or would be done in check mode, in this order.
      type: list
      elements: str
      returned: always
      sample: [start web]
    pending_restart:
      description: The keys that the task names and whose new values the running container does not have yet.
      type: list
      elements: str
      returned: always
      sample: [lxc.mount.entry]
container:
  description: The same, when one name was given.
  returned: when one name was given
  type: dict
actions:
  description: What was done, or would be done in check mode, when one name was given.
  returned: when one name was given
  type: list
  elements: str
  sample: [start web]
step:
  description: The step that failed.
  returned: when a step failed
  type: str
  sample: mount
object:
  description: What the step failed on.
  returned: when a step failed
  type: str
  sample: /srv/www
error:
  description: The kind of the error.
  returned: when it failed for one container
  type: str
  sample: StepError
errno:
  description: The kernel's error number, or 0.
  returned: when a step failed
  type: int
  sample: 2
hint:
  description: What to do about it.
  returned: when something failed and there is something to say
  type: str
log:
  description: The last lines of the log.
  returned: when a step failed
  type: list
  elements: str
truncated:
  description: The result was larger than 100,000 bytes. Long texts and lists were cut.
  returned: when it was cut
  type: bool
"""

from typing import Any

from ansible_collections.hostkit.lxc.plugins.module_utils import _ansible
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet

_STORAGE: dict[str, Any] = {
    "backing_store": {"type": "str", "choices": ["dir", "overlayfs", "btrfs", "loop", "lvm", "zfs", "aufs", "best"]},
    "directory": {"type": "path"},
    **{option: {"type": "str"} for option in ("vg_name", "lv_name", "thinpool", "zfs_root")},
    "migrate": {"type": "bool"},
    "size": {"type": "str", "aliases": ["fs_size"]},
    "fs_type": {"type": "str", "choices": ["ext4", "ext3", "ext2", "xfs", "btrfs"]},
}
_WORDS = (
    "template", "hostname", "arch", "apparmor_profile", "seccomp_profile", "selinux_context", "new_name", "clone_name", "clone_from",
    "container_command",
)  # fmt: skip
_ARCHIVE: dict[str, Any] = {"archive": {"type": "path"}, "force": {"type": "bool"}}
_ORIGIN: dict[str, Any] = {word: {"type": "bool"} for word in ("clone_snapshot", "ephemeral", "ephemeral_tmpfs")}


def argument_spec() -> dict[str, Any]:
    """As documented above; nothing that describes a container has a default."""
    network = {
        "type": {"type": "str", "required": True, "choices": ["veth", "empty", "none", "phys", "macvlan", "ipvlan", "vlan"]},
        **{key: {"type": "list", "elements": "str"} for key in ("ipv4", "ipv6")},
        **{
            key: {"type": "str"}
            for key in ("link", "name", "hwaddr", "flags", "mtu", "ipv4_gateway", "ipv6_gateway", "veth_pair", "vlan_id")
        },
        **{key: {"type": "str"} for key in ("macvlan_mode", "ipvlan_mode", "script_up", "script_down")},
    }
    mount = {
        "source": {"type": "str", "required": True},
        "target": {"type": "str", "required": True},
        "type": {"type": "str"},
        "options": {"type": "list", "elements": "str"},
    }
    autostart = {
        "enabled": {"type": "bool"},
        "delay": {"type": "int"},
        "order": {"type": "int"},
        "groups": {"type": "list", "elements": "str"},
    }
    capabilities = {"drop": {"type": "list", "elements": "str"}, "keep": {"type": "list", "elements": "str"}}
    return {
        "name": {"type": "list", "elements": "str", "required": True},
        "state": {"type": "str", "default": "started", "choices": ["started", "stopped", "restarted", "frozen", "present", "absent"]},
        "template_options": {"type": "raw"},
        **_ORIGIN,
        **_ARCHIVE,
        **_STORAGE,
        "config": {"type": "raw"},
        "container_config": {"type": "list", "elements": "str"},
        "network": {"type": "list", "elements": "dict", "options": network},
        "mounts": {"type": "list", "elements": "dict", "options": mount},
        "hooks": {"type": "dict"},
        "autostart": {"type": "dict", "options": autostart},
        "capabilities": {"type": "dict", "options": capabilities, "mutually_exclusive": [("drop", "keep")]},
        "environment": {"type": "dict"},
        "cgroup": {"type": "dict"},
        "stop_timeout": {"type": "int", "aliases": ["timeout"]},
        "wait_for": {"type": "list", "elements": "str"},
        "wait_timeout": {"type": "int"},
        "restart": {"type": "str", "choices": ["never", "if_needed"]},
        "delete_snapshots": {"type": "bool"},
        "container_log": {"type": "bool"},
        "container_log_level": {"type": "str", "choices": list(_ansible.LOG_LEVELS)},
        **{word: {"type": "str"} for word in _WORDS},
    }


def main() -> None:
    """Run the module."""
    _ansible.run(argument_spec(), fleet.job)


if __name__ == "__main__":
    main()
