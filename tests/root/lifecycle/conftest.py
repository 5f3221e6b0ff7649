# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that somebody else started."""

from __future__ import annotations

import stock

containers = stock.containers
end_of_monitor = stock.end_of_monitor
