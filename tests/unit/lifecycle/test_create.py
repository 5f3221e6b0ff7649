# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container made and removed, from a tarball, as any user."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
import tarfile
import threading
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import (
    BadValue,
    ConfigError,
    InUse,
    LxcError,
    NotFound,
    StepError,
    Unsupported,
)
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import command, filelock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import create, destroy, partial
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template import run


@pytest.fixture
def fstree(host: Path) -> Path:
    (host / "tree/etc").mkdir(parents=True)
    (host / "tree/etc/issue").write_text("hello")
    with tarfile.open(host / "fstree.tar.gz", "w:gz") as tar:
        tar.add(host / "tree", ".")
    return host / "fstree.tar.gz"


def request(container: paths.Container, fstree: Path, **more: object) -> create.CreateRequest:
    base = create.CreateRequest(container, "local", {"fstree": str(fstree)})
    return base._replace(**more)  # type: ignore[arg-type]


def quiet(line: str) -> None:
    pass


def listing(path: Path) -> list[str]:
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


def test_made_whole(container: paths.Container, fstree: Path) -> None:
    lines: list[str] = []
    assert create.create(request(container, fstree, config={"lxc.start.auto": "1"}), lines.append) == []
    assert Path(container.rootfs, "etc/issue").read_text() == "hello"
    assert sorted(os.listdir(container.directory)) == ["config", "rootfs"]
    assert stat.S_IMODE(os.stat(container.directory).st_mode) == 0o770 and stat.S_IMODE(os.stat(container.config).st_mode) == 0o640
    config = parser.load(container.config)
    assert config.rootfs_path == f"dir:{container.rootfs}" and config.uts_name == "tone" and config.get("lxc.start.auto") == "1"
    assert "sys_module" in config.get_list("lxc.cap.drop") and config.warnings == []
    assert any("Unpacked" in line for line in lines)
    destroy.destroy(container)
    assert os.listdir(container.lxc_path) == [] and not os.path.exists(container.lock)


def test_setuid_files_are_out_of_reach_whatever_the_umask_is(container: paths.Container, fstree: Path) -> None:
    before = os.umask(0)
    try:
        create.create(request(container, fstree), quiet)
    finally:
        os.umask(before)
    assert os.stat(container.directory).st_mode & 0o007 == 0


def test_it_exists_already(container: paths.Container, fstree: Path) -> None:
    create.create(request(container, fstree), quiet)
    before = listing(Path(container.lxc_path))
    with pytest.raises(InUse, match="tone already exists"):
        create.create(request(container, fstree), quiet)
    assert listing(Path(container.lxc_path)) == before


def test_something_else_is_in_the_way(container: paths.Container, fstree: Path) -> None:
    Path(container.directory).mkdir()
    Path(container.directory, "precious").write_text("mine")
    with pytest.raises(InUse, match="precious"):
        create.create(request(container, fstree), quiet)
    assert Path(container.directory, "precious").read_text() == "mine"


def test_a_log_that_an_older_one_left_is_not_in_the_way(container: paths.Container, fstree: Path) -> None:
    Path(container.directory).mkdir()
    Path(container.log).write_text("old")
    create.create(request(container, fstree), quiet)


@pytest.mark.parametrize("store", ["dir", "overlayfs"])
def test_a_template_that_fails_leaves_nothing(container: paths.Container, fstree: Path, store: str) -> None:
    fstree.write_bytes(fstree.read_bytes()[:-20])
    with pytest.raises(StepError, match="damaged"):
        create.create(request(container, fstree, backing_store=store), quiet)
    assert os.listdir(container.lxc_path) == [] and not os.path.exists(container.lock)


@pytest.mark.parametrize(
    "change",
    [
        {"template": "loc al"},
        {"template": "no-such-template"},
        {"template": "/no/such/script"},
        {"template_options": {"fstree": "/no/such/file"}},
        {"template_options": {"nonsense": 1}},
        {"backing_store": "btrfs"},
        {"backing_store": "dirt"},
        {"config": {"lxc.nonsense": "1"}},
        {"config": {"lxc.environment": ["A=1\nlxc.hook.stop=/evil"]}},
        {"config": {"lxc.cap.keep": ["kill"], "lxc.cap.drop": ["chown"]}},
        {"backing_store": "overlayfs", "backing_options": {"directory": "/x"}},
        {"backing_options": {"directory": "/x:y"}},
        {"template": "none", "template_options": {}, "backing_options": {"directory": "/x"}},
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_touched(container: paths.Container, fstree: Path, change: dict[str, object]) -> None:
    with pytest.raises(LxcError) as foreseen:
        create.foresee(request(container, fstree, **change))
    with pytest.raises(LxcError) as met:
        create.create(request(container, fstree, **change), quiet)
    assert foreseen.value.message == met.value.message
    assert os.listdir(container.lxc_path) == [] and not os.path.exists(paths.LXC_RUN)


@pytest.mark.parametrize("obstacle", ["leftovers", "a full root", "no place for the root", "a bad default.conf"])
def test_what_the_host_has_against_it_is_foreseen(container: paths.Container, fstree: Path, host: Path, obstacle: str) -> None:
    wanted = request(container, fstree, backing_options={"directory": str(host / "roots/one")})
    if obstacle == "leftovers":
        Path(container.directory).mkdir()
        Path(container.directory, "precious").touch()
        wanted = request(container, fstree)
    elif obstacle == "a full root":
        (host / "roots/one/etc").mkdir(parents=True)
    elif obstacle == "a bad default.conf":
        (host / "default.conf").write_text("lxc.nonsense = 1\n")
        wanted = request(container, fstree)
    before = listing(host)
    with pytest.raises(LxcError) as foreseen:
        create.foresee(wanted)
    assert listing(host) == before
    with pytest.raises(LxcError) as met:
        create.create(wanted, quiet)
    assert foreseen.value.message == met.value.message


def test_that_the_config_goes_with_what_it_includes_is_foreseen(container: paths.Container, fstree: Path) -> None:
    """Whether the included file is there yet or not."""
    wanted = request(container, fstree, config={"lxc.cap.keep": ["kill"]})
    for _round in range(2):
        with pytest.raises(ConfigError, match=r"lxc.cap.keep: expected without lxc.cap.drop") as foreseen:
            create.foresee(wanted)
        with pytest.raises(ConfigError) as met:
            create.create(wanted, quiet)
        assert foreseen.value.key == met.value.key


def test_what_was_half_made_does_not_stand_against_its_own_creation(container: paths.Container, fstree: Path, host: Path) -> None:
    (host / "elsewhere/etc").mkdir(parents=True)
    wanted = request(container, fstree, backing_options={"directory": str(host / "elsewhere")})
    Path(container.directory, "rootfs").mkdir(parents=True)
    Path(container.partial).write_text(f"dir:{host}/elsewhere")
    assert f"lxc.rootfs.path = dir:{host}/elsewhere\n" in create.foresee(wanted)
    create.create(wanted, quiet)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"backing_store": "overlayfs", "config": {"lxc.start.auto": "1", "lxc.uts.name": "two"}},
        {"networks": [{"type": "veth", "link": "br0"}, {"type": "veth", "hwaddr": "02:xx:00:00:00:0x"}, {"type": "empty"}]},
        {"template": "none", "template_options": {}, "config": {"lxc.rootfs.path": "dir:/srv/root"}},
    ],
)
def test_the_config_is_foreseen_but_for_what_is_drawn(container: paths.Container, fstree: Path, change: dict[str, object]) -> None:
    foreseen = create.foresee(request(container, fstree, **change))
    assert os.listdir(container.lxc_path) == [] and not os.path.exists(paths.STATE)
    create.create(request(container, fstree, **change), quiet)
    made = Path(container.config).read_text()
    assert len(made) == len(foreseen) and "lxc.include" in made
    assert [(x, sign) for x, sign in zip(foreseen, made) if x != sign and (x != "x" or sign not in "0123456789abcdef")] == []
    drawn = sum(x != sign for x, sign in zip(foreseen, made))
    assert drawn == (9 if "networks" in change else 0)


def test_what_a_template_adds_is_foreseen(container: paths.Container, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template import busybox

    monkeypatch.setattr(busybox, "is_static", lambda path: True)
    foreseen = create.foresee(create.CreateRequest(container, "busybox", {"busybox_path": "/bin/sh"}, config={"lxc.tty.max": "3"}))
    assert "\nlxc.signal.halt = SIGUSR1\n" in foreseen and "\nlxc.tty.max = 3\n" in foreseen and "lxc.tty.max = 1" not in foreseen


@pytest.mark.parametrize(("store", "lacks"), [("lvm", "it has no lvcreate"), ("zfs", "it has no program zfs")])
def test_a_host_without_its_programs(
    container: paths.Container, fstree: Path, monkeypatch: pytest.MonkeyPatch, store: str, lacks: str
) -> None:
    monkeypatch.setattr(command, "which", lambda name: None if name in ("lvcreate", "zfs") else f"/sbin/{name}")
    for act in (create.foresee, lambda one: create.create(one, quiet)):
        with pytest.raises(Unsupported, match=lacks) as caught:
            act(request(container, fstree, backing_store=store))
        assert caught.value.hint.startswith("Install ")
    assert not os.path.lexists(container.directory)


def test_a_checksum(container: paths.Container, fstree: Path) -> None:
    digest = hashlib.sha256(fstree.read_bytes()).hexdigest()
    wrong = digest.replace(digest[0], "0" if digest[0] != "0" else "1")
    with pytest.raises(StepError, match=digest):
        create.create(request(container, fstree, template_options={"fstree": str(fstree), "checksum": f"sha256:{wrong}"}), quiet)
    assert os.listdir(container.lxc_path) == []
    create.create(request(container, fstree, template_options={"fstree": str(fstree), "checksum": f"sha256:{digest}"}), quiet)


def kill_while_making(monkeypatch: pytest.MonkeyPatch, container: paths.Container, wanted: create.CreateRequest, template: bool) -> None:
    """Creation in a child that is killed by SIGKILL inside of the template, or just before the marker goes."""
    pid = os.fork()
    if pid == 0:
        try:
            if template:
                original = run.make

                def then_die(*args: object) -> object:
                    original(*args)  # type: ignore[arg-type]
                    return os.kill(os.getpid(), signal.SIGKILL)

                monkeypatch.setattr(run, "make", then_die)
            else:
                monkeypatch.setattr(os, "unlink", lambda *args, **more: os.kill(os.getpid(), signal.SIGKILL))
            create.create(wanted, quiet)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL


@pytest.mark.parametrize("template", [True, False])
@pytest.mark.parametrize("store", ["dir", "overlayfs"])
def test_killed_and_started_over(
    monkeypatch: pytest.MonkeyPatch, container: paths.Container, fstree: Path, store: str, template: bool
) -> None:
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.security import posture

    posture.install()
    kill_while_making(monkeypatch, container, request(container, fstree, backing_store=store), template)
    assert partial.state(container) == "abandoned"
    create.create(request(container, fstree), quiet)
    assert sorted(os.listdir(container.directory)) == ["config", "rootfs"]


def test_killed_and_removed(monkeypatch: pytest.MonkeyPatch, container: paths.Container, fstree: Path, host: Path) -> None:
    """The storage elsewhere goes too, which only the marker knows of."""
    elsewhere = host / "elsewhere"
    kill_while_making(monkeypatch, container, request(container, fstree, backing_options={"directory": str(elsewhere)}), True)
    assert (elsewhere / "etc/issue").exists()
    os.unlink(container.config)
    destroy.destroy(container)
    assert os.listdir(container.lxc_path) == [] and not elsewhere.exists()


@pytest.mark.parametrize("log", [False, True])
def test_killed_before_there_was_a_marker(container: paths.Container, log: bool) -> None:
    """No more than a directory, perhaps with the log of an older one: it is told apart from nothing, and removed."""
    absent = {"name": [container.name], "lxc_path": container.lxc_path, "state": "absent"}
    Path(container.directory).mkdir()
    if log:
        Path(container.log).write_text("of an older one")
    report = fleet.job(absent).apply()
    assert report.changed and not report.failed and os.listdir(container.lxc_path) == []
    assert not fleet.job(absent).apply().changed
    Path(container.directory).mkdir()
    Path(container.directory, "mine").touch()
    assert not fleet.job(absent).apply().changed and os.listdir(container.directory) == ["mine"]


def test_a_file_in_its_place(container: paths.Container, fstree: Path) -> None:
    """It is none of ours: it stays, and nothing is made."""
    said = {"name": [container.name], "lxc_path": container.lxc_path}
    Path(container.directory).write_text("mine")
    report = fleet.job({**said, "state": "absent"}).apply()
    assert not report.changed and not report.failed
    for act in (create.foresee, lambda wanted: create.create(wanted, quiet)):
        with pytest.raises(InUse, match="is in the way: it is not a directory"):
            act(request(container, fstree))
    assert Path(container.directory).read_text() == "mine"


def test_two_at_once_one_makes_it(container: paths.Container, fstree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, go_on = threading.Event(), threading.Event()
    original = run.make

    def slowly(*args: object) -> object:
        inside.set()
        go_on.wait(20)
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "make", slowly)
    thread = threading.Thread(target=create.create, args=(request(container, fstree), quiet))
    thread.start()
    assert inside.wait(20)
    for attempt in (lambda: create.create(request(container, fstree), quiet), lambda: destroy.destroy(container)):
        with pytest.raises(InUse, match="being made or removed by"):
            attempt()
    go_on.set()
    thread.join()
    assert partial.state(container) == "whole" and Path(container.rootfs, "etc/issue").exists()


def test_storage_that_was_there_before_is_not_destroyed(container: paths.Container, host: Path) -> None:
    (host / "mine").mkdir()
    (host / "mine/file").write_text("precious")
    wanted = create.CreateRequest(container, "none", config={"lxc.rootfs.path": f"dir:{host}/mine"})
    create.create(wanted, quiet)
    destroy.destroy(container)
    assert (host / "mine/file").read_text() == "precious" and not os.path.exists(container.directory)


def test_destroy_refuses_dependents_and_snapshots_by_name(container: paths.Container, fstree: Path) -> None:
    create.create(request(container, fstree), quiet)
    users = Path(container.directory, "lxc_snapshots")
    users.write_text(f"{container.lxc_path}\nclone1\n{container.lxc_path}\nclone2\n")
    for clone in ("clone1", "clone2"):
        Path(container.lxc_path, clone).mkdir()
    with pytest.raises(InUse, match="clone1, clone2"):
        destroy.destroy(container)
    users.unlink()
    Path(container.directory, "snaps/snap0/rootfs").mkdir(parents=True)
    Path(container.directory, "snaps/snap0/config").write_text(f"lxc.rootfs.path = dir:{container.directory}/snaps/snap0/rootfs\n")
    with pytest.raises(InUse, match="snap0"):
        destroy.destroy(container)
    assert Path(container.rootfs, "etc/issue").exists()
    destroy.destroy(container, delete_snapshots=True)
    assert not os.path.exists(container.directory)


def test_destroy_of_what_is_no_container(container: paths.Container) -> None:
    with pytest.raises(NotFound):
        destroy.destroy(container)
    Path(container.directory).mkdir()
    Path(container.directory, "file").write_text("mine")
    with pytest.raises(NotFound, match="no config"):
        destroy.destroy(container)
    assert Path(container.directory, "file").exists()


def test_destroy_that_was_killed_goes_on(container: paths.Container, fstree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create.create(request(container, fstree), quiet)
    pid = os.fork()
    if pid == 0:
        try:
            monkeypatch.setattr(destroy.tree, "remove", lambda path: os.kill(os.getpid(), signal.SIGKILL))
            destroy.destroy(container)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    assert partial.state(container) == "abandoned"
    destroy.destroy(container)
    assert os.listdir(container.lxc_path) == []


def test_a_marker_that_stock_lxc_holds_counts(container: paths.Container, fstree: Path) -> None:
    Path(container.directory).mkdir()
    fd = os.open(container.partial, os.O_RDWR | os.O_CREAT, 0o600)
    assert filelock.try_lock(fd)
    with pytest.raises(InUse):
        create.create(request(container, fstree), quiet)
    os.close(fd)
    create.create(request(container, fstree), quiet)


@pytest.mark.parametrize("by_name", [False, True], ids=["path", "name"])
def test_a_script_template_is_called_as_lxc_calls_it(
    container: paths.Container, host: Path, monkeypatch: pytest.MonkeyPatch, by_name: bool
) -> None:
    if os.geteuid() != 0:
        pytest.skip("the mount namespace of a script needs root")
    script = host / "lxc-mine"
    script.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" > "$(dirname "$0")/args"; readlink /proc/self/ns/mnt\n'
        'echo hello; echo "# from the script" >> "${1#--path=}/config"; echo "lxc.tty.max = 2" >> "${1#--path=}/config"\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(run, "SCRIPTS", str(host))
    lines: list[str] = []
    options = {"release": "x y", "verbose": True, "quiet": False, "package": ["a", "b"], "S": "key"}
    create.create(create.CreateRequest(container, "mine" if by_name else str(script), options), lines.append)
    assert (host / "args").read_text().splitlines() == [
        f"--path={container.directory}", f"--name={container.name}", f"--rootfs={container.rootfs}",
        "--release", "x y", "--verbose", "--package", "a", "--package", "b", "-S", "key",
    ]  # fmt: skip
    assert lines[1:] == ["hello"] and lines[0] != os.readlink("/proc/self/ns/mnt")
    text = Path(container.config).read_text()
    assert "# from the script" in text and f"# Template used to create this container: {script}" in text
    config = parser.load(container.config)
    assert config.get("lxc.tty.max") == "2" and "sys_module" in config.get_list("lxc.cap.drop")


@pytest.mark.parametrize(
    ("template", "kind", "expected"),
    [
        ("none-such", Unsupported, "no template none-such on this host: .*/lxc-none-such does not exist"),
        ("plain", Unsupported, "lxc-plain is not executable"),
        ("/no/such/script", Unsupported, "/no/such/script does not exist"),
        ("../lxc-mine", BadValue, "template"),
        ("-x", BadValue, "template"),
    ],
)
def test_a_script_that_is_not_there(
    container: paths.Container, host: Path, monkeypatch: pytest.MonkeyPatch, template: str, kind: type[LxcError], expected: str
) -> None:
    monkeypatch.setattr(run, "SCRIPTS", str(host))
    (host / "lxc-plain").write_text("#!/bin/sh\n")
    with pytest.raises(kind, match=expected):
        create.create(create.CreateRequest(container, template), quiet)
    assert os.listdir(container.lxc_path) == []


def test_a_script_that_fails_says_its_last_lines_and_leaves_nothing(container: paths.Container, host: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the mount namespace of a script needs root")
    script = host / "lxc-bad"
    script.write_text("#!/bin/sh\nmkdir -p ${3#--rootfs=}/etc\nln -s /etc ${3#--rootfs=}/out\necho no mirror >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(StepError, match="status 3") as caught:
        create.create(create.CreateRequest(container, str(script)), quiet)
    assert caught.value.log == ["no mirror"] and os.listdir(container.lxc_path) == [] and os.path.exists("/etc/passwd")


def test_a_broken_config_does_not_stand_against_removal(container: paths.Container, fstree: Path, host: Path) -> None:
    create.create(request(container, fstree, backing_options={"directory": str(host / "elsewhere")}), quiet)
    assert (host / "elsewhere/etc/issue").exists()
    with open(container.config, "a") as config:
        config.write("lxc.nonsense.key = 1\nlxc.autodev = maybe\n")
    warnings = destroy.destroy(container)
    assert not os.path.exists(container.directory) and not (host / "elsewhere").exists()
    assert len(warnings) == 2 and "lxc.nonsense.key" in warnings[0] and "lxc.autodev" in warnings[1]


def test_storage_that_may_not_be_ours_stays(container: paths.Container, fstree: Path, host: Path) -> None:
    create.create(request(container, fstree, backing_options={"directory": str(host / "elsewhere")}), quiet)
    with open(container.config, "a") as config:
        config.write("lxc.rootfs.managed = no\n")
    assert "lxc.rootfs.managed" in destroy.destroy(container)[0]
    assert not os.path.exists(container.directory) and (host / "elsewhere/etc/issue").exists()


def test_who_was_killed_may_have_written_one_more_file(container: paths.Container, fstree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create.create(request(container, fstree), quiet)
    fd = partial.mark(container, "remove it")
    partial.remember_storage(fd, f"dir:{container.rootfs}")
    remove, late = destroy.tree.remove_at, Path(container.rootfs, "late")
    late.touch()

    def then_another(parent_fd: int, name: str, path: str) -> None:
        if late.exists():
            late.unlink()
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        remove(parent_fd, name, path)

    monkeypatch.setattr(destroy.tree, "remove_at", then_another)
    destroy.clean_up(container, fd)
    os.close(fd)
    assert not os.path.exists(container.directory)
