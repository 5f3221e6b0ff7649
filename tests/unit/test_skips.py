# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/root/skips.py: what is skipped where nothing may be missing has failed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT_TESTS = Path(__file__).resolve().parents[1] / "root"
INSTALLED = {"HOSTKIT_REQUIRE_ORACLE": "1"}
pytest_plugins = ["pytester"]
Outcome = Callable[[str, "dict[str, str]"], pytest.RunResult]
MIRROR = {**INSTALLED, "HOSTKIT_REQUIRE_MIRROR": "1"}


@pytest.fixture
def outcome(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """A file with these lines is run with the plugin, in this process."""

    def run(body: str, env: dict[str, str]) -> pytest.RunResult:
        for name in [name for name in os.environ if name.startswith(("PYTEST_ADDOPTS", "HOSTKIT_"))]:
            monkeypatch.delenv(name)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.syspath_prepend(str(ROOT_TESTS))
        pytester.makepyfile(test_it=f"import pytest\n{body}\n")
        return pytester.runpytest_inprocess("-q", "-p", "skips", "-p", "no:cacheprovider", "-c", os.devnull)

    return run


@pytest.mark.parametrize(
    ("body", "env", "status"),
    [
        ("def test(): pytest.skip('zstd is not on this host')", {}, 0),
        ("def test(): pytest.skip('zstd is not on this host')", INSTALLED, 1),
        ("@pytest.mark.skipif(True, reason='ip is not installed')\ndef test(): pass", INSTALLED, 1),
        ("@pytest.fixture\ndef it(): pytest.skip('dnsmasq is not on this host')\ndef test(it): pass", INSTALLED, 1),
        ("def test(): pytest.skip('no keyrings here')", INSTALLED, 0),
        ("def test(): pytest.skip('no package mirror answers: x')", INSTALLED, 0),
        ("def test(): pytest.skip('no package mirror answers: x')", MIRROR, 1),
        ("def test(): pass", MIRROR, 0),
    ],
)
def test_a_skip(outcome: Outcome, body: str, env: dict[str, str], status: int) -> None:
    assert outcome(body, env).ret == status


def test_a_file_that_is_skipped_as_a_whole(outcome: Outcome) -> None:
    result = outcome("pytest.importorskip('no_such_module')\ndef test(): pass", INSTALLED)
    said = result.stdout.str()
    assert result.ret not in (0, 5) and "nothing may be missing here" in said and "no_such_module" in said
