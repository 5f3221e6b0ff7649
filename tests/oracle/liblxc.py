# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by the interpreter that has python3-lxc: what liblxc makes of configs. JSON in, JSON out.

A job is {"text": a config to load} or {"set": [[key, value], ...]} for the API's own setter; each with "keys" to print and
an answer {"loaded", "items", "saved"}. An item that LXC answers with an error is null.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

import _lxc


def answer(job: dict, directory: str) -> dict:
    container = _lxc.Container("oracle", directory)
    loaded = True
    if "text" in job:
        path = os.path.join(directory, "loaded")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(job["text"])
        loaded = container.load_config(path)
    for key, value in job.get("set", []):
        loaded = container.set_config_item(key, value) and loaded
    items = {}
    for key in job["keys"]:
        try:
            items[key] = container.get_config_item(key)
        except KeyError:
            items[key] = None
    saved = os.path.join(directory, "saved")
    container.save_config(saved)
    text = ""
    if os.path.exists(saved):
        with open(saved, encoding="utf-8", newline="") as file:
            text = file.read()
        os.unlink(saved)
    return {"loaded": loaded, "items": items, "saved": text}


def main() -> None:
    request = json.load(sys.stdin)
    if os.geteuid() == 0:  # as root liblxc would leave lock files in /run/lxc
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    with tempfile.TemporaryDirectory() as directory:
        os.environ["XDG_RUNTIME_DIR"] = directory  # where liblxc puts an ordinary user's locks
        keys = _lxc.Container("oracle", directory).get_keys()
        answers = [answer(job, directory) for job in request["jobs"]]
    json.dump({"keys": [key for key in keys.split("\n") if key] if isinstance(keys, str) else list(keys), "answers": answers}, sys.stdout)


main()
