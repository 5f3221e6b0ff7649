# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that lxc-start started, and the same one started by us."""

from __future__ import annotations

import parity
import stock

both = parity.both
parity_host = parity.host
end_of_monitor = stock.end_of_monitor
containers = stock.containers
