# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real roots, in places of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import mountinfo
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template import debian

# Debian is made once and copied; a directory said here is kept from run to run.
CACHE = os.environ.get("HOSTKIT_LXC_TEST_CACHE", "")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return CACHE or str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def mirror() -> str:
    """The address of the first source, which answers with the release; asked for by the test itself, so that a failure is none of ours."""
    source = debian.recipe({}).sources[0]
    proxies = {name[: -len("_proxy")]: value for name, value in debian.environment().items() if name in ("http_proxy", "https_proxy")}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    try:
        with opener.open(f"{source.uri}/dists/{source.suite}/InRelease", timeout=20) as answer:
            answer.read(100)
    except OSError as error:
        pytest.skip(f"no package mirror answers: {error}")
    return source.uri


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str) -> Path:
    """Our state and locks below a temporary directory. The include stays readable for lxc-start; the lock does not matter to it."""
    monkeypatch.setattr(paths, "CACHE", cache)
    monkeypatch.setattr(paths, "STATE", str(tmp_path / "state"))
    monkeypatch.setattr(paths, "LXC_RUN", str(tmp_path / "run"))
    monkeypatch.setattr(paths, "DEFAULT_CONF", str(tmp_path / "none"))
    monkeypatch.setattr(paths, "LXC_CONF", str(tmp_path / "none"))
    (tmp_path / "lxc").mkdir()
    return tmp_path


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Python and the programs that it calls put what is temporary; nothing may be left in it."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    monkeypatch.setenv("TMPDIR", str(directory))
    return directory


@pytest.fixture
def stock(host: Path) -> Callable[[str], str]:
    """Run a shell script with stock LXC's tools in a network and mount namespace of its own; $P is the lxcpath. Its output."""
    if not all(shutil.which(program) for program in ("lxc-start", "lxc-attach", "lxc-stop", "unshare", "ip")):
        pytest.skip("stock LXC's tools are not on this host")

    def run(script: str) -> str:
        env = {**os.environ, "P": str(host / "lxc"), "LC_ALL": "C"}
        # lxc-start looks for the bridge in sysfs, which shows the links of the namespace that it was mounted from.
        sysfs = (
            f"mkdir -p {host}/sys; mount -t sysfs none {host}/sys; mount --bind {host}/sys/devices /sys/devices; "
            f"mount --bind {host}/sys/class/net /sys/class/net; "
        )
        end = f"trap 'kill $(cat {host}/dnsmasq.pid 2>/dev/null) 2>/dev/null || :' EXIT; trap 'exit 1' TERM; "
        argv = ["unshare", "--net", "--mount", "timeout", "120", "sh", "-ec", sysfs + end + script]
        result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, check=False)
        assert result.returncode == 0, result.stdout
        return result.stdout

    return run


@pytest.fixture(autouse=True)
def no_mount_is_left(tmp_path: Path) -> object:
    yield
    assert [one.target for one in mountinfo.read() if str(tmp_path) in one.target] == []
