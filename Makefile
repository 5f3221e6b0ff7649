# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the scripts in ci/; each can be called by itself.

.DEFAULT_GOAL := help
.PHONY: help quickstart quickstart-clean test soak vm-test vm-test-all vm-up vm-reset vm-down vm-ssh bench lint unit root sanity integration molecule format build clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z -]+:.*## / {printf "make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

quickstart: ## a bridge and a running Debian container, p1, on this host
	@ci/quickstart

quickstart-clean: ## take away what quickstart made
	@ci/quickstart clean

test: ## every check and test that one machine can run
	@ci/check all

soak: ## races, kills and rounds with their full counts, every playbook and unit test on both cores
	@ci/check --soak root integration sanity

vm-test: ## what needs a real host, on a Debian in a virtual machine: SUITE=bookworm or trixie
	@ci/check vm

vm-test-all: ## all root tests in it, and ZFS, which takes the better part of an hour
	@ci/check vm-all

vm-up vm-reset vm-down vm-ssh: ## such a machine to work with; NAME, SUITE, KIND=plain or zfs, CMD for vm-ssh
	@ci/vm $(@:vm-%=%) $(CMD)

bench: ## our times against LXC's and the peer module's, as ratios, and the goals
	@ci/bench

lint unit root sanity integration molecule: ## a part of `make test`
	@ci/check $@

format: ## lay the Python sources out anew
	@"$$(ci/venv dev)/bin/ruff" format . && "$$(ci/venv dev)/bin/ruff" check --fix .

build: ## the collection's tarball, in .build/collection
	@ci/collection "$$(ci/venv quickstart)" .build/collection

clean: ## what the scripts have made in this checkout
	rm -rf .build .venv
