# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/root/skips.py: what is skipped where nothing may be missing has failed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT_TESTS = Path(__file__).resolve().parents[1] / "root"
INSTALLED = {"HOSTKIT_REQUIRE_ORACLE": "1"}
MIRROR = {**INSTALLED, "HOSTKIT_REQUIRE_MIRROR": "1"}


def outcome(tmp_path: Path, body: str, env: dict[str, str]) -> tuple[int, str]:
    (tmp_path / "test_it.py").write_text(f"import pytest\n{body}\n")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "HOSTKIT_"))}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "skips",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        str(tmp_path / "test_it.py"),
    ]
    env = {**clean, "PYTHONPATH": str(ROOT_TESTS), "PYTHONDONTWRITEBYTECODE": "1", **env}
    ran = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, check=False)
    return ran.returncode, ran.stdout


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
def test_a_skip(tmp_path: Path, body: str, env: dict[str, str], status: int) -> None:
    assert outcome(tmp_path, body, env)[0] == status


def test_a_file_that_is_skipped_as_a_whole(tmp_path: Path) -> None:
    status, said = outcome(tmp_path, "pytest.importorskip('no_such_module')\ndef test(): pass", INSTALLED)
    assert status not in (0, 5) and "nothing may be missing here" in said and "no_such_module" in said
