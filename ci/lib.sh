# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by the scripts of this directory.
# shellcheck shell=bash
set -euo pipefail
unset CDPATH
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$HERE/.build
# shellcheck disable=SC2034  # used by those who source this
NOBODY=65534

say() { printf '%s\n' "$*" >&2; }
die() {
    say "$(basename "$0"): $*"
    exit 1
}

# In another's checkout it cannot be made: whoever must be root says that first.
mkdir -p "$BUILD" 2>/dev/null || ((EUID != 0)) || die "$BUILD cannot be made"

# pyenv's shims answer for Pythons that they cannot run; the Pythons themselves do.
real_path() {
    local entry kept=() versions="${PYENV_ROOT:-$HOME/.pyenv}/versions"
    while IFS= read -r -d : entry; do
        [[ $entry == *shims* ]] || kept+=("$entry")
    done <<<"$PATH:"
    for entry in "$versions"/*/bin; do
        [[ -d $entry ]] && kept+=("$entry")
    done
    (IFS=: && printf '%s\n' "${kept[*]}")
}

# A home of our own: caches, venvs and the installed collections of Ansible's tools must not touch the user's.
# pip keeps the user's settings.
private_home() {
    local home=$1 pip=${XDG_CONFIG_HOME:-$HOME/.config}/pip
    PATH=$(real_path)
    mkdir -p "$home/.config"
    [[ ! -d $pip || -e $home/.config/pip ]] || ln -s "$pip" "$home/.config/pip"
    export PATH HOME=$home ANSIBLE_HOME=$home/.ansible
    unset XDG_CONFIG_HOME XDG_CACHE_HOME
    # One that the caller set for another checkout must not shadow what is tested.
    unset ANSIBLE_COLLECTIONS_PATH ANSIBLE_CONFIG PYTHONPATH
}
