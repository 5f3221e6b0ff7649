# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SHA-256 of names. hashlib brings OpenSSL along, 3 MiB for the processes that stay; Python's own code does as well for a line."""

from __future__ import annotations

import importlib
from typing import Any

_OWN = ("_sha2", "_sha256")  # since 3.12, and before


def _algorithm() -> Any:
    for name in (*_OWN, "hashlib"):  # hashlib where an interpreter was built without its own
        try:
            return importlib.import_module(name).sha256
        except ImportError:
            continue
    raise ImportError("This Python has no SHA-256")


_sha256 = _algorithm()


def of(text: str) -> str:
    """64 hexadecimal digits; bytes that are no UTF-8, as names of files may have them, count as they are."""
    return str(_sha256(text.encode("utf-8", "surrogateescape")).hexdigest())
