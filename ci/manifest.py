# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes plugins/module_utils/_lxc/manifest.py anew: a literal import of every file of the runtime. usage: python3 ci/manifest.py"""

from __future__ import annotations

import builtins
import textwrap
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "plugins/module_utils/_lxc"
MOST = 20  # names in one function: functions have less than 60 lines
OWN = ("runtime", "manifest")
HEAD = '''# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file of the runtime in a literal import: Ansible ships to a target only what it finds so. Nothing here is ever called.

Written by ci/manifest.py; a test holds it to the tree.
"""

from __future__ import annotations
'''


def function(package: str, names: list[str], at: int) -> str:
    own = {name: f"{name}_" if name in dir(builtins) else name for name in names}
    plain = [name for name in names if own[name] == name]
    source = f".{package}" if package else "."
    imported = f"    from {source} import {', '.join(plain)}\n"
    if len(imported) > 140:
        imported = f"    from {source} import (\n" + "".join(f"        {name},\n" for name in plain) + "    )\n"
    imported += "".join(f"    from {source} import {name} as {alias}\n" for name, alias in own.items() if alias != name)
    listed = ", ".join(own.values())
    returned = f"    return ({listed},)\n" if len(names) == 1 else f"    return {listed}\n"
    if len(returned) > 140:
        returned = "    return (\n" + "".join(f"        {name},\n" for name in own.values()) + "    )\n"
    return (
        textwrap.dedent(f"""

def {package or "leaves"}{"_" + names[0] if at else ""}() -> tuple[object, ...]:
""")
        + imported
        + "\n"
        + returned
    )


def text() -> str:
    packages = {"": sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem not in ("__init__", *OWN))}
    for path in sorted(PACKAGE.iterdir()):
        names = sorted(file.stem for file in path.glob("*.py") if file.stem != "__init__") if path.is_dir() else []
        if names:
            packages[path.name] = names
    functions = []
    for package, names in packages.items():
        functions += [function(package, names[at : at + MOST], at) for at in range(0, len(names), MOST)]
    return HEAD + "".join(functions)


if __name__ == "__main__":
    (PACKAGE / "manifest.py").write_text(text(), encoding="utf-8")
