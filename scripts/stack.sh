#!/bin/sh
# The stack that a schedule needs: scripts/stack.sh up|down|passwords|compose. Called by make.
#   up         in containers (docker-compose.yml) where an engine with compose answers, else as processes (driftune stack up)
#   down       ends what `up` started; data stay
#   passwords  makes the passwords that docker-compose.yml asks for, where there are none yet
#   compose …  compose with these passwords: compose logs prefect, compose exec cpu-worker driftune status
# STACK=processes or STACK=containers leaves no choice. DRIFTUNE_HOME: the home folder of processes, and where passwords are kept.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
die() { say "driftune: $*"; exit 2; }

HOME_FOLDER=${DRIFTUNE_HOME:-.driftune}
PASSWORDS=$HOME_FOLDER/stack.env

compose() { docker compose --env-file "$PASSWORDS" "$@"; }

kind() { # prints containers or processes; the older program docker-compose can't do what bubblewrap needs (systempaths)
  case "${STACK:-}" in
    processes | containers) echo "$STACK" ;;
    "") if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then echo containers; else echo processes; fi ;;
    *) die "STACK is processes or containers, found '$STACK'" ;;
  esac
}

passwords() {
  [ ! -e "$PASSWORDS" ] || return 0
  mkdir -p "$HOME_FOLDER"
  secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
  (umask 077 && printf 'DATABASE_PASSWORD=%s\nPREFECT_PASSWORD=driftune:%s\n' "$(secret)" "$(secret)" >"$PASSWORDS")
}

chosen=$(kind)
case "${1:-}" in
  up)
    if [ "$chosen" = containers ]; then
      passwords
      compose up --build --detach
      say "Prefect: http://127.0.0.1:${PREFECT_PORT:-4200}, its password is in $PASSWORDS; the registry: http://127.0.0.1:${REGISTRY_PORT:-8765}"
      say "Next: scripts/stack.sh compose exec cpu-worker driftune deploy networkx"
    else
      ${MAKE:-make} --no-print-directory setup
      scripts/setup.sh database
      .venv/bin/driftune stack up --detach
      say "Next: .venv/bin/driftune deploy networkx"
    fi
    ;;
  down) # both, where somebody has said STACK=processes for `up` alone; and the GPU's worker, which has a profile
    if [ "$chosen" = containers ]; then passwords; compose --profile gpu down; fi
    if [ "$chosen" = processes ] || [ -e "$HOME_FOLDER/stack/lock" ]; then .venv/bin/driftune stack down; fi
    ;;
  passwords) passwords ;;
  compose) shift; passwords; compose "$@" ;;
  *) die "scripts/stack.sh takes up, down, passwords or compose, found '${1:-nothing}'" ;;
esac
