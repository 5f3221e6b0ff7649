# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps `make test` has, by the Pythons that are found."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).resolve().parents[2] / "ci" / "check.py"


@pytest.fixture(scope="module")
def check() -> Any:
    spec = importlib.util.spec_from_file_location("ci_check", FILE)
    assert spec and spec.loader
    module = sys.modules["ci_check"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def found(*versions: str) -> list[tuple[str, str]]:
    return [(version, f"/usr/bin/python{version}") for version in versions]


def named(steps: Any) -> dict[str, list[str]]:
    return {step.name: step.command for step in steps}


def test_both_cores_share_the_work(check: Any) -> None:
    steps = named(check.steps(found("3.9", "3.11", "3.13"), ["3.9", "3.13"], False))
    assert steps["units-2.21"][2:4] == ["3.13", "tests/unit/test_ansible.py"]
    assert steps["units-2.19"][2:4] == ["3.11", "tests/unit/test_ansible.py"]
    assert (steps["sanity-2.21"][2:], steps["sanity-2.19"][2:4]) == ([], ["--python", "3.11"])
    assert "pylint" in steps["sanity-2.19"] and "validate-modules" not in steps["sanity-2.19"]
    assert (steps["integration-2.21"][-1], steps["integration-2.19"][-1]) == ("all", "brief")


def test_what_does_not_depend_on_the_python_runs_on_the_newest(check: Any) -> None:
    steps = named(check.steps(found("3.9", "3.11", "3.13"), [], False))
    assert [len(steps[f"unit-{version}"]) for version in ("3.13", "3.11", "3.9")] == [3, 3 + len(check.SOURCES), 3 + len(check.SOURCES)]
    assert [place for place in check.SOURCES if not (FILE.parents[1] / place.partition("=")[2]).exists()] == []


def test_the_older_core_alone_does_all(check: Any, capsys: pytest.CaptureFixture[str]) -> None:
    steps = named(check.steps(found("3.9", "3.11"), [], False))
    assert not [name for name in steps if name.endswith("-2.21")]
    assert steps["units-2.19"][2:] == ["3.11"] and steps["sanity-2.19"][2:] == []
    assert steps["integration-2.19"][-1] == "all"
    assert "core 2.21 needs Python 3.12" in capsys.readouterr().out


def test_the_soak_has_both_cores_do_all(check: Any) -> None:
    steps = named(check.steps(found("3.11", "3.13"), [], True))
    assert steps["units-2.19"][2:] == ["3.11"] and steps["units-2.21"][2:] == ["3.13"]
    assert steps["sanity-2.19"][2:] == []
    assert (steps["integration-2.21"][-1], steps["integration-2.19"][-1]) == ("all", "all")


def test_the_newer_core_alone(check: Any, capsys: pytest.CaptureFixture[str]) -> None:
    steps = named(check.steps(found("3.14"), [], False))
    assert not [name for name in steps if name.endswith("-2.19")]
    assert steps["units-2.21"][2] == "3.14"
    assert "core 2.19 needs Python 3.11 to 3.13" in capsys.readouterr().out


@pytest.mark.parametrize(
    "versions, required, message",
    [
        (["3.9", "3.11"], ["3.9", "3.12", "3.13"], "HOSTKIT_REQUIRE_PYTHONS names 3.12, 3.13, not found"),
        (["3.10"], [], "no Python from 3.11 on"),
        ([], [], "no Python from 3.11 on"),
    ],
)
def test_what_must_be_there(check: Any, versions: list[str], required: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        check.steps(found(*versions), required, False)


def test_every_step_is_a_script(check: Any) -> None:
    steps = [*check.steps(found("3.11", "3.13"), [], False), *check.vm_steps()]
    assert [step.name for step in steps if not Path(step.command[0]).exists()] == []


def test_the_virtual_machine_is_asked_for_by_its_own_name(check: Any) -> None:
    everything = [*check.steps(found("3.11", "3.13"), [], False), *check.vm_steps()]
    assert not [step for step in check.choose(everything, ["all"]) if step.name.startswith("vm")]
    assert [step.name for step in check.choose(everything, ["vm"])] == ["vm-host", "vm-root"]


def test_in_the_virtual_machine_no_root_test_is_left_out_of_all_and_none_is_misspelt(check: Any) -> None:
    start, rest = (set(step.command[2:]) for step in check.vm_steps() if step.name in ("vm-root-start", "vm-root-else"))
    assert start == {"tests/root/start", "--ignore=tests/root/start/test_soak.py"}
    assert rest == {"tests/root", "--ignore=tests/root/start", "--ignore=tests/root/modules"}
    assert [place for place in check.VM_ROOT if not (FILE.parents[1] / place).exists()] == []


def test_a_run_that_is_told_to_end_ends_its_steps(check: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They run in threads of it, which no signal reaches."""
    monkeypatch.setattr(check, "LOG", tmp_path)
    runner = check.Runner(1)
    steps = [check.Step(name, "slow", ["/bin/sh", "-c", f"touch {tmp_path}/{name}; exec sleep 300"]) for name in "ab"]
    threads = [threading.Thread(target=runner.run, args=[step]) for step in steps]
    threads[0].start()
    deadline = time.monotonic() + 20
    while not (tmp_path / "a").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    runner.stop()
    threads[1].start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert (tmp_path / "a").exists() and not (tmp_path / "b").exists()
