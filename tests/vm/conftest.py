# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine for each file of tests, clean, and ended with it. SUITE chooses its Debian; the collection is the one that is installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import plays
from guest import Play, host
from images import Image
from machine import Machine


@pytest.fixture(scope="module")
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    kind = getattr(request.module, "KIND", "plain")
    directory = Path(__file__).resolve().parents[2] / ".build" / "vm" / request.module.__name__.rpartition(".")[2].replace("_", "-")
    with Machine(Image(os.environ.get("SUITE") or "bookworm", kind), directory) as one:
        print(f"resumed after {one.resume():.1f} s")
        yield one


@pytest.fixture(scope="module")
def play(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Run tasks on the machine: each one's result. Named arguments are variables of the host."""

    def run(*tasks: Mapping[str, Any], fails: bool = False, **variables: Any) -> list[plays.Result]:
        return plays.play(tmp_path_factory.mktemp("play"), host(machine, **variables), tasks, timeout=600, fails=fails)

    return run
