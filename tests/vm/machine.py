# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian in a virtual machine, by QEMU's software emulation, with SSH on a port of loopback.

Every machine goes on from a copy of the state that was saved after the image's first boot: a second one, or a clean one, costs what a
resume costs. A reset is a new QEMU and never `loadvm` in the one that runs: that leaves the guest's time stamp counter as it is, and
the guest's clock leaps by all the time since the state was saved.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from images import Image, VmError, digest, locked

QEMU = "qemu-system-x86_64"
DISKS = {"disk0.qcow2": "4G", "disk1.qcow2": "4G"}  # beside the root: /dev/vdb and /dev/vdc, empty
HARDWARE = (
    *("-machine", "q35,hpet=off,smm=off,vmport=off,usb=off,sata=off,smbus=off", "-accel", "tcg,thread=multi,tb-size=512"),
    # Emulated, libc's AVX takes a tenth longer than what it does without.
    *("-cpu", "max,-avx,-avx2", "-smp", "2", "-m", "2560", "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"),
    *("-device", "virtio-rng-pci", "-device", "virtio-net-pci,netdev=net,romfile="),
)
KERNEL = (
    "console=ttyS0 loglevel=4 net.ifnames=0 mitigations=off no_timer_check tsc=reliable random.trust_cpu=on "
    "raid=noautodetect nowatchdog audit=0"
)
BOOT = 300  # seconds until SSH answers; from 20 to 70 were seen
REBOOT = 600  # with all that has to end before
# What a task and a test begin with: read once before the state is saved, they are in the guest's page cache ever after.
WARM = "python3 -c 'import pyroute2, pytest, json, ssl'; systemctl is-system-running --wait; sync"
PR_SET_PDEATHSIG = 1


def ensure(image: Image) -> Path:
    """The directory of the state that was saved after the image's first boot; image and state are made where they are not there."""
    with locked(image.lock, fcntl.LOCK_SH):
        image.ensure()
        version = subprocess.run([QEMU, "--version"], capture_output=True, check=True).stdout
        saved = (
            image.directory / f"saved-{digest(version, ' '.join(HARDWARE).encode(), KERNEL.encode(), repr(DISKS).encode(), WARM.encode())}"
        )
        with locked(saved.with_suffix(".lock")):
            if not (saved / "done").exists():
                _save_first_boot(image, saved)
    return saved


def _save_first_boot(image: Image, saved: Path) -> None:
    shutil.rmtree(saved, ignore_errors=True)
    saved.mkdir(parents=True)
    root = ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(image.directory / "root.qcow2"), "root.qcow2"]
    for arguments in (root, *(["create", "-q", "-f", "qcow2", name, size] for name, size in DISKS.items())):
        subprocess.run(["qemu-img", *arguments], cwd=saved, check=True)
    with Machine(image, saved) as machine:
        began = time.monotonic()
        machine.launch()
        machine.wait()
        booted = time.monotonic()
        machine.ssh(WARM)
        warm = time.monotonic()
        machine.monitor("savevm ready")
        print(
            f"First boot {booted - began:.1f} s, warm {warm - booted:.1f} s, save {time.monotonic() - warm:.1f} s",
            file=sys.stderr,
            flush=True,
        )
    (saved / "done").touch()


def _dies_with_us() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Machine:
    """One machine in a directory of its own. As a context manager it ends with the block, and with the process however that ends."""

    def __init__(self, image: Image, directory: Path) -> None:
        self.image, self.directory = image, directory
        self._process: subprocess.Popen[bytes] | None = None
        self._ours = contextlib.ExitStack()
        self.port = 0

    def __enter__(self) -> Machine:
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            self._ours.enter_context(locked(self.directory / "lock", fcntl.LOCK_EX | fcntl.LOCK_NB))
        except BlockingIOError:
            raise VmError(f"the machine {self.directory.name} is in use by another run") from None
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._ours.close()

    @property
    def config(self) -> Path:
        """For `ssh -F`: whatever the host is called, it is this one."""
        return self.directory / "ssh_config"

    @property
    def variables(self) -> dict[str, Any]:
        """Ansible's, for a host that is this one."""
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": "root",
            "ansible_ssh_common_args": f"-F {self.config}",
            "ansible_pipelining": True,
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    @property
    def inventory(self) -> Path:
        """One host, vm, in the group all."""
        return self.directory / "hosts.json"

    def resume(self, stays: bool = False) -> float:
        """Go on from the saved state, however the machine was left: seconds until it answers. With `stays` it outlives this process.

        Raises VmError: it does not come up; with the end of its console.
        """
        began = time.monotonic()
        self.stop()
        saved = ensure(self.image)
        self.directory.mkdir(parents=True, exist_ok=True)
        for name in ("root.qcow2", *DISKS):
            subprocess.run(["cp", "--sparse=always", "--reflink=auto", str(saved / name), str(self.directory / name)], check=True)
        self.launch("-loadvm", "ready", stays=stays)
        self.wait()
        self.ssh(f"date --set=@{time.time():.3f}")
        return time.monotonic() - began

    def launch(self, *more: str, stays: bool = False) -> None:
        """Start QEMU on the disks that are in the directory."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._write_addresses()
        drives = []
        for name in ("root.qcow2", *DISKS):
            drives += ["-drive", f"if=none,id={name[:5]},file={name},format=qcow2,cache=unsafe,discard=unmap"]
            drives += ["-device", f"virtio-blk-pci,drive={name[:5]}"]
        files = ["-kernel", str(self.image.directory / "kernel"), "-initrd", str(self.image.directory / "initrd"), "-append", KERNEL]
        talk = [
            "-netdev",
            f"user,id=net,hostfwd=tcp:127.0.0.1:{self.port}-:22",
            "-serial",
            "file:console",
            "-qmp",
            "unix:qmp,server,nowait",
        ]
        # Held by QEMU for as long as it runs: nobody removes the image below it.
        with locked(self.image.lock, fcntl.LOCK_SH) as lock, (self.directory / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(
                [QEMU, *HARDWARE, *files, *drives, *talk, *more],
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[lock],
                start_new_session=stays, preexec_fn=None if stays else _dies_with_us,
            )  # fmt: skip
        (self.directory / "pid").write_text(f"{self._process.pid} {_start_time(self._process.pid)}\n")

    def _write_addresses(self) -> None:
        options = {
            "HostName": "127.0.0.1",
            "Port": self.port,
            "User": "root",
            "IdentityFile": self.image.directory / "key",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "ConnectTimeout": 20,
            "BatchMode": "yes",
        }
        self.config.write_text("".join(["Host *\n", *(f"  {name} {value}\n" for name, value in options.items())]))
        self.inventory.write_text(json.dumps({"all": {"hosts": {"vm": self.variables}}}, indent=2) + "\n")

    def pid(self) -> int:
        """Of its QEMU, 0 when none runs."""
        try:
            pid, began = (self.directory / "pid").read_text().split()
        except (OSError, ValueError):
            return 0
        return int(pid) if _start_time(int(pid)) == began else 0

    def wait(self, seconds: float = BOOT) -> None:
        """Until SSH answers. Raises VmError."""
        deadline = time.monotonic() + seconds
        while True:
            if (self._process is not None and self._process.poll() is not None) or not self.pid():
                raise VmError(f"QEMU has ended: {self._tail('qemu.log')}\n{self._tail('console')}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                if (
                    subprocess.run(
                        [*self._ssh(), "true"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
                    ).returncode
                    == 0
                ):
                    return
            if time.monotonic() > deadline:
                raise VmError(f"the machine does not answer to SSH after {seconds:.0f} s. Its console:\n{self._tail('console')}")
            time.sleep(0.3)

    def _tail(self, name: str, lines: int = 30) -> str:
        with contextlib.suppress(OSError):
            return "\n".join((self.directory / name).read_text(errors="replace").splitlines()[-lines:])
        return ""

    def _ssh(self) -> list[str]:
        return ["ssh", "-F", str(self.config), "vm"]

    def ssh(self, command: str, timeout: float = 120, check: bool = True, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a shell's command line as root in it. Raises VmError: it ended with another status than 0, unless `check` is off."""
        more.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run([*self._ssh(), command], capture_output=True, text=True, timeout=timeout, check=False, **more)
        if check and done.returncode:
            raise VmError(f"{command!r} in the machine ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def run(self, command: str) -> int:
        """The same with our own standard streams; the status."""
        return subprocess.run(
            [*self._ssh()[:1], *(["-t"] if sys.stdin.isatty() else []), *self._ssh()[1:], *([command] if command else [])], check=False
        ).returncode

    def send(self, source: Path, target: str) -> None:
        """Copy a directory into it."""
        pack = subprocess.Popen(["tar", "--create", "--directory", str(source), "."], stdout=subprocess.PIPE)
        with pack:
            self.ssh(f"mkdir -p {target} && tar --extract --no-same-owner --directory {target}", stdin=pack.stdout)
        if pack.returncode:
            raise VmError(f"{source} could not be packed")

    def reboot(self) -> float:
        """By its own systemd: seconds until it answers again."""
        before = self.ssh("cat /proc/sys/kernel/random/boot_id").stdout
        began = time.monotonic()
        self.ssh("systemctl reboot", check=False)
        while time.monotonic() < began + REBOOT:
            with contextlib.suppress(VmError, subprocess.TimeoutExpired):
                if self.ssh("cat /proc/sys/kernel/random/boot_id", timeout=30).stdout != before:
                    return time.monotonic() - began
            time.sleep(0.5)
        raise VmError(f"the machine is not back {REBOOT} s after its reboot. Its console:\n{self._tail('console')}")

    def monitor(self, command: str) -> str:
        """What QEMU's own monitor answers to a line."""
        directory = os.open(self.directory, os.O_RDONLY)  # a socket's path has an end at 107 bytes
        try:
            with socket.socket(socket.AF_UNIX) as talk:
                talk.settimeout(120)
                talk.connect(f"/proc/self/fd/{directory}/qmp")
                with talk.makefile("rw") as stream:
                    stream.readline()
                    for execute, arguments in (("qmp_capabilities", {}), ("human-monitor-command", {"command-line": command})):
                        stream.write(json.dumps({"execute": execute, "arguments": arguments}))
                        stream.flush()
                        answer = json.loads(stream.readline())
                        while "event" in answer:
                            answer = json.loads(stream.readline())
        finally:
            os.close(directory)
        if "error" in answer or re.match("Error", str(answer.get("return", ""))):
            raise VmError(f"QEMU's monitor: {command}: {answer}")
        return str(answer["return"])

    def stop(self) -> None:
        """Power off, at once; nothing is left running."""
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 10
            while self.pid() and time.monotonic() < deadline:
                if self._process is not None:
                    self._process.poll()
                time.sleep(0.05)
            if self.pid():
                os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None
        (self.directory / "pid").unlink(missing_ok=True)


def _start_time(pid: int) -> str:
    """Of a process that runs, in clock ticks since boot (proc(5)); a zombie has none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def named(name: str, image: Image, root: Path) -> Machine:
    """The machine of that name of this checkout."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,20}", name):
        raise VmError(f"{name!r} is no name of a machine: small letters, digits and -, at most 21")
    return Machine(image, root / ".build" / "vm" / name)


def names(root: Path) -> Sequence[str]:
    """Those that have been started from this checkout."""
    return sorted(path.parent.name for path in (root / ".build" / "vm").glob("*/pid"))
