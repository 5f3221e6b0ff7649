# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of layers (ARCHITECTURE.md) and the other rules about where things are, held by reading the source."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UTILS = ROOT / "plugins/module_utils"
FILES = sorted((UTILS / "_lxc").rglob("*.py"))
SOURCES = sorted(path for part in ("ci", "plugins", "tests") for path in (ROOT / part).rglob("*.py") if "output" not in path.parts)

LEAVES = {"compiled", "digest", "errors", "paths", "rollback"}
BOTTOM = {"kernel", "config", "wire"}
RESOURCES = {"storage", "network", "cgroup", "security", "rootfs", "template"}
# What each part may import beside the leaves and itself.
MAY_IMPORT = {
    **{part: set() for part in LEAVES | BOTTOM},
    **dict.fromkeys(RESOURCES, BOTTOM),
    "lifecycle": BOTTOM | RESOURCES,
    "reconcile": BOTTOM | RESOURCES | {"lifecycle", "runtime"},
    "monitor": BOTTOM | RESOURCES | {"lifecycle"},
    "daemon": {"kernel"},
}
# The file that ships everything names each file of the runtime in an import; the runtime takes it along.
MANIFEST = "manifest"

# When an import happens: as the file is loaded, as a function is called, never (below `if TYPE_CHECKING`).
LOAD, CALL, TYPE = "load", "call", "type"
# What may point against the order of the files of one package, and why. Each must be needed.
AGAINST_ORDER = {
    ("monitor/answers.py", "monitor/serve.py", TYPE): "the server calls the answers; they know only the type of who asks",
}
# The files of reconcile from the bottom up; an import goes down, or stays in its row.
RECONCILE = (
    "plan place besides desired course verbs task",  # values
    "cloning checks asked meaning options parameters stored",  # the task's words become what is wanted
    "missing inside passing shortage observe observe_config beside origin",  # what is there
    "drift settled moves removal archiving renaming container snapshot_plan",  # the plan: no effects
    "reconciliation conditions wait effects work bridge_making",  # what is done, and looked at again
    "fleet facts command bridge snapshot snapshot_facts",  # the jobs of the modules
)


def part_of(path: Path) -> str:
    return path.relative_to(UTILS / "_lxc").parts[0].replace(".py", "")


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def imports(path: Path) -> Iterator[str]:
    """The full dotted name of everything that the file imports, inside functions too."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    yield from (name for name, _when in names_imported(parsed(path), package))


def names_imported(node: ast.AST, package: tuple[str, ...], when: str = LOAD) -> Iterator[tuple[str, str]]:
    """The names below this node, each with when it is imported."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, when) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
        name = ".".join(filter(None, (base, node.module)))
        yield from ((f"{name}.{alias.name}".replace("ansible_collections.hostkit.lxc.", ""), when) for alias in node.names)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and when == LOAD:
        when = CALL
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        for child in node.body:
            yield from names_imported(child, package, TYPE)
        for child in node.orelse:
            yield from names_imported(child, package, when)
        return
    for child in ast.iter_child_nodes(node):
        yield from names_imported(child, package, when)


def parts_imported(path: Path) -> set[str]:
    prefix = "plugins.module_utils._lxc."
    return {name[len(prefix) :].split(".")[0] for name in imports(path) if name.startswith(prefix)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(UTILS)))
def test_no_import_points_up_or_sideways(path: Path) -> None:
    part = part_of(path)
    if part in (MANIFEST, "runtime", "__init__"):
        return
    assert parts_imported(path) - {part} - LEAVES <= MAY_IMPORT[part]


Edge = tuple[str, str, str]


def short(path: Path) -> str:
    return str(path.relative_to(UTILS / "_lxc"))


@functools.cache
def edges() -> list[Edge]:
    """(file, file that it imports, when), by their paths below _lxc; without the manifest, which is never run."""
    files = [path for path in FILES if path.name != "__init__.py" and part_of(path) != MANIFEST]
    by_name = {".".join(path.relative_to(ROOT).with_suffix("").parts): short(path) for path in files}
    found = []
    for path in files:
        for name, when in names_imported(parsed(path), path.relative_to(ROOT).parts[:-1]):
            target = by_name.get(name) or by_name.get(name.rpartition(".")[0])
            if target:
                found.append((short(path), target, when))
    return found


def circle(found: Iterable[Edge]) -> list[str]:
    """The files of one circle, in their order; empty where there is none."""
    below: dict[str, set[str]] = {}
    for source, target, _when in found:
        below.setdefault(source, set()).add(target)
    done: set[str] = set()
    for start in sorted(below):
        way = _way_back(start, below, [], done)
        if way:
            return way
    return []


def _way_back(file: str, below: Mapping[str, set[str]], way: list[str], done: set[str]) -> list[str]:
    if file in way:
        return [*way[way.index(file) :], file]
    if file in done:
        return []
    for target in sorted(below.get(file, ())):
        back = _way_back(target, below, [*way, file], done)
        if back:
            return back
    done.add(file)
    return []


@pytest.mark.parametrize("when", [(LOAD,), (LOAD, CALL), (LOAD, CALL, TYPE)], ids=" ".join)
def test_no_files_import_each_other_in_a_circle(when: tuple[str, ...]) -> None:
    assert circle(edge for edge in edges() if edge[2] in when and edge not in AGAINST_ORDER) == []


@pytest.mark.parametrize("edge", AGAINST_ORDER, ids=" ".join)
def test_what_points_against_the_order_is_there_and_would_be_a_circle(edge: Edge) -> None:
    assert edge in set(edges())
    assert circle([*(other for other in edges() if other not in AGAINST_ORDER), edge])


def test_the_files_of_reconcile_have_their_roles() -> None:
    rows = {f"reconcile/{name}.py": number for number, row in enumerate(RECONCILE) for name in row.split()}
    assert set(rows) == {short(path) for path in FILES if part_of(path) == "reconcile" and path.name != "__init__.py"}
    assert [edge for edge in edges() if edge[0] in rows and edge[1] in rows and rows[edge[0]] < rows[edge[1]]] == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from . import b", [("p.a.b", LOAD)]),
        ("from ..c import d", [("p.c.d", LOAD)]),
        ("class X:\n def f(self):\n  from .b import y", [("p.a.b.y", CALL)]),
        ("try:\n import b\nexcept OSError: pass", [("b", LOAD)]),
        ("if TYPE_CHECKING:\n from .b import y\nelse:\n from .c import y", [("p.a.b.y", TYPE), ("p.a.c.y", LOAD)]),
        ("def f():\n if typing.TYPE_CHECKING:\n  from . import b", [("p.a.b", TYPE)]),
    ],
)
def test_when_an_import_happens(source: str, expected: list[tuple[str, str]]) -> None:
    assert list(names_imported(ast.parse(source), ("p", "a"))) == expected


def test_a_circle_is_found() -> None:
    line = [("a", "b", LOAD), ("b", "c", LOAD), ("a", "c", CALL), ("d", "b", TYPE)]
    assert circle(line) == []
    assert circle([*line, ("c", "b", CALL)]) == ["b", "c", "b"]
    assert circle([*line, ("c", "d", LOAD)]) == ["b", "c", "d", "b"]


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
        for node in ast.walk(parsed(path)):
            if isinstance(node, (ast.If, ast.IfExp)) and "check_mode" in ast.dump(node.test):
                asked.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert [place.split(":")[0] for place in asked] == ["plugins/module_utils/_ansible.py"], asked


def test_files_and_functions_stay_small() -> None:
    large = []
    for path in (ROOT / "plugins").rglob("*.py"):
        tree = parsed(path)
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if path.parent.name in ("modules", "doc_fragments"):  # their documentation does not count
            lines -= sum((node.end_lineno or 0) - node.lineno for node in tree.body if isinstance(node, ast.Assign))
        if lines > 400 and path.stem != MANIFEST:  # which a program writes
            large.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (node.end_lineno or 0) - node.lineno >= 60:
                large.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} is over 60 lines")
    assert large == []


def test_every_source_says_its_licence() -> None:
    head = "# SPDX-License-Identifier: GPL-3.0-or-later"
    scripts = [path for path in (ROOT / "ci").rglob("*") if path.is_file() and not path.suffix]
    plays = [path for part in ("changelogs", "meta", "molecule", "playbooks", "tests") for path in (ROOT / part).rglob("*.yml")]
    written = [path for path in (*SOURCES, *scripts, *plays) if path.stat().st_size and "output" not in path.parts]
    assert len(scripts) > 20 and len(plays) > 50
    silent = [str(path.relative_to(ROOT)) for path in written if head not in path.read_text(encoding="utf-8").splitlines()[:5]]
    assert silent == []


def test_the_map_is_short_enough_to_be_read() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_no_assert_in_plugins() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / "plugins").rglob("*.py")
        for node in ast.walk(parsed(path))
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
