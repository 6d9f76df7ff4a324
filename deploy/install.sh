#!/bin/sh
# Makes .venv and installs the locked dependencies and the project. Says what to do when it cannot.
set -eu
cd "$(dirname "$0")/.."
say() { printf '%s\n' "$*" >&2; }

# The system's own Python before one that a version manager compiled: that one is seldom built with profile-guided optimisation, and a request then
# takes up to a fifth more of the processor (docs/decisions/0054-the-systems-own-python.md).
usable() { "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
if [ -z "${PYTHON:-}" ]; then
    PYTHON=python3
    if usable /usr/bin/python3; then PYTHON=/usr/bin/python3; fi
fi

command -v "$PYTHON" >/dev/null || { say "Python is missing. Install it: apt-get install python3"; exit 1; }
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { say "Kabao needs Python 3.11 or newer; PYTHON=/path/to/python3.12 make demo chooses another."; exit 1; }

[ -w . ] || { say "$(pwd -P) cannot be written. Correct its owner, or clone the repository into a folder of your own."; exit 1; }

# The programs in .venv name its place, so one that was moved is of no use.
if [ "$(cat .venv/place 2>/dev/null)" != "$(pwd -P)" ] || ! [ -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian keeps these two in a package of their own.
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            say "Installing python3-venv ..."
            { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv; } >/dev/null 2>&1 ||
                { say "python3-venv could not be installed: check the network, or run: apt-get install python3-venv"; exit 1; }
        else
            say "Python's venv module is missing. Run: sudo apt-get install python3-venv, and then this again."
            exit 1
        fi
    fi
    "$PYTHON" -m venv .venv
fi

say "Installing the locked dependencies (about a minute, the first time) ..."
# The lock is the whole closure, so nothing else may be pulled in.
if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock; then
    say ""
    say "The dependencies could not be installed. If there is no network, connect and run this again: what arrived is kept."
    exit 1
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
# Who serves may not be allowed to write here, and would compile every module at each start.
.venv/bin/python -m compileall -q wsgi.py runtime keys schemas idp wallet migrations demo
pwd -P > .venv/place
sha256sum requirements.lock pyproject.toml > .venv/installed
