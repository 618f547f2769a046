#!/bin/sh
# Sets up .venv and the sandbox's wall: scripts/setup.sh run|dev|wall|database|beside. Called by make, which knows what is out of date.
#   run   .venv with all that `driftune run` needs        dev   that, and what tests and lint need
#   wall  bubblewrap, where no program of that name is found and no Docker engine can do its work
#   database PostgreSQL, where no program initdb is found
#   beside what tests run behind and beside: bubblewrap in any case (they bring an engine of their own), a browser, nginx,
#         PostgreSQL, network namespaces and clocks that are wrong
# PYTHON: the interpreter to take. TORCH_INDEX: address of the package index that torch comes from.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
die() { say "driftune: $*"; exit 2; }

as_root() { # as_root COMMAND...: runs it as root, or fails where that needs a password
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo -n "$@"; else return 1; fi
}

apt_install() { # apt_install "PACKAGE ..." WHY: installs Debian packages where that may be, else says the line to type
  line="sudo apt-get update && sudo apt-get install -y $1"
  command -v apt-get >/dev/null || die "$2 is missing: install it with your system's package manager (Debian's name for it is $1), then run make again"
  say "Installing $1 ($2)"
  if ! { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $1; } >/dev/null; then
    die "$2 is missing, and could not be installed from here. Type this, then run make again:  $line"
  fi
}

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() { # prints the first interpreter that fits
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if fits "$candidate"; then echo "$candidate"; return; fi
  done
  found=$("${PYTHON:-python3}" -V 2>/dev/null || echo none)
  die "Python 3.11, 3.12 or 3.13 is needed, found ${found}: install one, or name one with  make PYTHON=/path/to/python3.12 …"
}

make_venv() {
  if [ -x .venv/bin/python ] && fits .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; then return; fi
  python=$(find_python)
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then # Debian packs these apart
    packages="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    command -v bwrap >/dev/null || packages="$packages bubblewrap" # so that there is one line to type
    apt_install "$packages" "Python's venv module"
  fi
  say "Making .venv with $("$python" -V)"
  "$python" -m venv --clear .venv
}

install() { # install EXTRAS
  make_venv
  if [ -n "${TORCH_INDEX:-}" ]; then # torch alone from there; what it depends on comes with the rest
    .venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --index-url "$TORCH_INDEX" -c constraints.txt torch
  fi
  say "Installing driftune[$1] into .venv; this takes one to three minutes"
  .venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[$1]"
}

engine_answers() { # whether programs can run behind a Docker engine that is here
  .venv/bin/python -c 'import sys; from validators.execution.docker import Docker; sys.exit(Docker().available() is not None)' 2>/dev/null
}

there() { PATH="$PATH:/usr/sbin:$(echo /usr/lib/postgresql/*/bin)" command -v "$1"; }

case "${1:-}" in
  run) install train ;;
  dev) install train,dev ;;
  beside)
    packages=""
    for package in bwrap:bubblewrap chromium:chromium nginx:nginx-light initdb:postgresql ip:iproute2 faketime:faketime docker-compose:docker-compose; do
      there "${package%%:*}" >/dev/null || packages="$packages ${package#*:}"
    done
    [ -z "$packages" ] || apt_install "${packages# }" "What tests run behind and beside"
    ;;
  database) there initdb >/dev/null || apt_install postgresql "PostgreSQL" ;;
  wall) command -v bwrap >/dev/null || engine_answers || apt_install bubblewrap "The sandbox's wall" ;;
  *) die "scripts/setup.sh takes run, dev, wall, database or beside, found '${1:-nothing}'" ;;
esac
