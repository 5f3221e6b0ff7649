# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes requirements/constraints/: what each requirements file brings along, for every Python found here (ci/pythons).

usage: python3 ci/pin.py [--upgrade] [FILE...]

What is pinned already stays, unless a Python cannot have it: for that one all is resolved anew. --upgrade does so for every Python.
pip is asked what it would install; nothing is installed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
CONSTRAINTS = REQUIREMENTS / "constraints"
# The Pythons, 3.X, that ci/venv may make an environment of it with.
PYTHONS = {
    "core-2.19": (11, 13),
    "dev": (11, 14),
    "importer": (11, 14),
    "peer": (11, 13),
    "quickstart": (11, 14),
    "root": (11, 14),
    "root-pyroute2-0.7": (11, 14),
    "unit": (9, 14),
}
HEAD = """\
# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# What {name}.txt brings along, as it is tested together. Written by ci/pin.py with Python {versions}.
"""


def pythons() -> Iterator[tuple[int, str]]:
    """X of each Python 3.X that is found, and where it is."""
    output = subprocess.run([str(ROOT / "ci" / "pythons")], stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in output.splitlines():
        version, path = line.split(" ", 1)
        yield int(version.split(".")[1]), path


def resolve(python: str, name: str, upgrade: bool) -> dict[str, str]:
    """What pip would install from that file into an empty environment: the version of each package."""
    kept = CONSTRAINTS / f"{name}.txt"
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([python, "-m", "venv", f"{directory}/venv"], check=True)
        pip, report = f"{directory}/venv/bin/pip", Path(directory, "report.json")
        command = [pip, "install", "--quiet", "--disable-pip-version-check", "--dry-run", "--report", str(report)]
        command += ["-r", str(REQUIREMENTS / f"{name}.txt")]
        fits = False
        if not upgrade and kept.exists():
            fits = subprocess.run([*command, "-c", str(kept)], stderr=subprocess.DEVNULL, check=False).returncode == 0
        if not fits:
            print(f"{name}: resolving anew for {python}", flush=True)
            subprocess.run(command, check=True)
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    brought = [one["metadata"] for one in found if re.sub(r"[-_.]+", "-", one["metadata"]["name"]).lower() not in own(name)]
    return {one["name"]: one["version"] for one in brought}


def lines(resolved: dict[int, dict[str, str]]) -> list[str]:
    """A constraint for each package and each run of Pythons that agree on its version; the first and the last run are open."""
    pinned: list[str] = []
    for package in sorted({name for versions in resolved.values() for name in versions}, key=str.lower):
        runs: list[tuple[int, str]] = []
        for minor, versions in sorted(resolved.items()):
            if package in versions and (not runs or runs[-1][1] != versions[package]):
                runs.append((minor, versions[package]))
        for (minor, version), following in zip(runs, [*runs[1:], None]):
            bounds = [f'python_version >= "3.{minor}"'] if minor != runs[0][0] else []
            bounds += [f'python_version < "3.{following[0]}"'] if following else []
            pinned.append(f"{package}=={version}" + (f" ; {' and '.join(bounds)}" if bounds else ""))
    return pinned


def own(name: str) -> set[str]:
    """The packages that the file pins itself."""
    text = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    return {match.group().lower() for match in re.finditer(r"^[A-Za-z0-9._-]+(?===)", text, re.MULTILINE)}


def main(arguments: list[str]) -> None:
    upgrade = "--upgrade" in arguments
    names = [word for word in arguments if word != "--upgrade"] or list(PYTHONS)
    if unknown := [name for name in names if name not in PYTHONS]:
        sys.exit(f"{__doc__}\nThere is no {', '.join(unknown)}; FILE is one of {', '.join(PYTHONS)}")
    found = list(pythons())
    CONSTRAINTS.mkdir(exist_ok=True)
    for name in names:
        low, high = PYTHONS[name]
        resolved = {minor: resolve(path, name, upgrade) for minor, path in found if low <= minor <= high}
        versions = ", ".join(f"3.{minor}" for minor in resolved)
        text = HEAD.format(name=name, versions=versions) + "".join(f"{line}\n" for line in lines(resolved))
        (CONSTRAINTS / f"{name}.txt").write_text(text, encoding="utf-8")
        print(f"{name}: {versions}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
