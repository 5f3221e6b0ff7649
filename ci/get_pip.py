# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for get-pip.py in ansible-test's cache: installs the pip whose wheel lies beside it, without a network."""

import pathlib
import sys

if __name__ == "__main__":
    wheel = next(pathlib.Path(__file__).resolve().parent.glob("pip-@VERSION@-*.whl"))
    sys.path.insert(0, str(wheel))
    from pip._internal.cli.main import main

    wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
    sys.exit(main(["install", "--no-index", "--find-links", str(wheel.parent), *wanted]))
