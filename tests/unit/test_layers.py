# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of layers (ARCHITECTURE.md) and the other rules about where things are, held by reading the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UTILS = ROOT / "plugins/module_utils"
FILES = sorted((UTILS / "_lxc").rglob("*.py"))
SOURCES = sorted(path for part in ("ci", "plugins", "tests") for path in (ROOT / part).rglob("*.py") if "output" not in path.parts)

LEAVES = {"errors", "paths", "rollback"}
BOTTOM = {"kernel", "config", "wire"}
RESOURCES = {"storage", "network", "cgroup", "security", "rootfs", "template"}
# What each part may import beside the leaves and itself.
MAY_IMPORT = {
    **{part: set() for part in LEAVES | BOTTOM},
    **dict.fromkeys(RESOURCES, BOTTOM),
    "lifecycle": BOTTOM | RESOURCES,
    "reconcile": BOTTOM | RESOURCES | {"lifecycle", "runtime"},
    "monitor": BOTTOM | RESOURCES | {"lifecycle"},
}
# The file that ships everything names each file of the runtime in an import; the runtime takes it along.
MANIFEST = "manifest"


def part_of(path: Path) -> str:
    return path.relative_to(UTILS / "_lxc").parts[0].replace(".py", "")


def imports(path: Path) -> Iterator[str]:
    """The full dotted name of everything that the file imports, inside functions too."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            name = ".".join(filter(None, (base, node.module)))
            yield from (f"{name}.{alias.name}".replace("ansible_collections.hostkit.lxc.", "") for alias in node.names)


def parts_imported(path: Path) -> set[str]:
    prefix = "plugins.module_utils._lxc."
    return {name[len(prefix) :].split(".")[0] for name in imports(path) if name.startswith(prefix)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(UTILS)))
def test_no_import_points_up_or_sideways(path: Path) -> None:
    part = part_of(path)
    if part in (MANIFEST, "runtime", "__init__"):
        return
    assert parts_imported(path) - {part} - LEAVES <= MAY_IMPORT[part]


def test_leaves_import_nothing_but_leaves() -> None:
    assert {leaf: parts_imported(UTILS / f"_lxc/{leaf}.py") - LEAVES for leaf in LEAVES} == {leaf: set() for leaf in LEAVES}


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("ansible", {"_ansible.py"}),
        ("pyroute2", {"_lxc/kernel/netlink.py"}),
        ("subprocess", {"_lxc/kernel/command.py"}),
    ],
)
def test_a_library_is_imported_in_one_file(library: str, allowed: set[str]) -> None:
    found = {str(path.relative_to(UTILS)) for path in UTILS.rglob("*.py") if any(name.split(".")[0] == library for name in imports(path))}
    assert found <= allowed


def test_check_mode_is_asked_for_once() -> None:
    asked = []
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, (ast.If, ast.IfExp)) and "check_mode" in ast.dump(node.test):
                asked.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert [place.split(":")[0] for place in asked] == ["plugins/module_utils/_ansible.py"], asked


def test_files_and_functions_stay_small() -> None:
    large = []
    for path in (ROOT / "plugins").rglob("*.py"):
        tree = ast.parse(path.read_bytes())
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if path.parent.name in ("modules", "doc_fragments"):  # their documentation does not count
            lines -= sum((node.end_lineno or 0) - node.lineno for node in tree.body if isinstance(node, ast.Assign))
        if lines > 400:
            large.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (node.end_lineno or 0) - node.lineno >= 60:
                large.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} is over 60 lines")
    assert large == []


def test_every_source_says_its_licence() -> None:
    head = "# SPDX-License-Identifier: GPL-3.0-or-later"
    written = [path for path in SOURCES if path.stat().st_size]
    silent = [str(path.relative_to(ROOT)) for path in written if head not in path.read_text(encoding="utf-8").splitlines()[:5]]
    assert silent == []


def test_no_assert_in_plugins() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / "plugins").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_all_of_the_runtime_is_shipped() -> None:
    """Ansible ships what it finds in literal imports: the manifest must name every file that the monitor may load."""
    manifest = UTILS / f"_lxc/{MANIFEST}.py"
    assert f"plugins.module_utils._lxc.{MANIFEST}" in set(imports(UTILS / "_lxc/runtime.py"))
    named = [name + "." for name in imports(manifest)]
    files = [path for path in FILES if path.name != "__init__.py" and part_of(path) not in (MANIFEST, "runtime")]
    wanted = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files}
    assert [name for name in sorted(wanted) if not any(other.startswith(name + ".") for other in named)] == []
