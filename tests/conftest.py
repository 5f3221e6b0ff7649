# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes `ansible_collections.hostkit.lxc` importable from a plain checkout, without ansible.

In a collection tree, as under ansible-test, the real packages are found and this steps aside.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

COLLECTION = "ansible_collections.hostkit.lxc"


def _importable() -> bool:
    try:
        return importlib.util.find_spec(COLLECTION + ".plugins") is not None
    except ImportError:
        return False


if not _importable():
    package = ""
    for part in COLLECTION.split("."):
        package = f"{package}.{part}" if package else part
        module = types.ModuleType(package)
        module.__path__ = []
        sys.modules[package] = module
    module.__path__ = [str(Path(__file__).resolve().parents[1])]
