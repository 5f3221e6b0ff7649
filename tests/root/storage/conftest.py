# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of what is kept in images."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from lvm_hosts import group, lvm_host, thick
from stock import end_of_monitor
from storage_images import btrfs_path, images, task

__all__ = ["btrfs_path", "end_of_monitor", "group", "images", "lvm_host", "task", "thick"]
