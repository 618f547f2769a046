#!/bin/sh
# A Docker engine of its own, for tests and benchmarks: scripts/engine.sh up|down|kill FOLDER. As root, or where sudo asks for no password.
#   up    starts dockerd with everything it keeps in FOLDER (docker.io is installed by apt-get where it is missing),
#         waits until it answers and prints its address, for DOCKER_HOST. One that already runs there is taken
#   down  ends it with its containers, and removes FOLDER
#   kill  kills it and its containerd at once, as a crash would: containers go on; up starts it again
# It has no network of its own and touches no other engine. FOLDER has to be short: a Unix socket's path ends at 107 bytes.
set -eu

say() { printf '%s\n' "$*" >&2; }
die() { say "engine: $*"; exit 2; }

[ $# = 2 ] || die "takes up, down or kill, and a folder"
if [ "$(id -u)" != 0 ]; then exec sudo -n "$0" "$@"; fi
PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$2"
folder=$(cd "$2" && pwd)
socket=$folder/docker.sock

alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

answers() { # by the engine's own API, so that no client is needed
  python3 - "$socket" <<'PYTHON' 2>/dev/null
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(5)
s.connect(sys.argv[1])
s.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
sys.exit(b" 200 " not in s.recv(4096))
PYTHON
}

wait_for() { # wait_for SECONDS COMMAND...
  end=$(($(date +%s) + $1)); shift
  until "$@"; do
    [ "$(date +%s)" -lt $end ] || return 1
    sleep 0.1
  done
}

install_engine() {
  command -v apt-get >/dev/null || die "dockerd is missing: install Docker with your system's package manager"
  say "Installing docker.io"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io; } >"$folder/apt.log" 2>&1 ||
    die "docker.io could not be installed: $(tail -n 1 "$folder/apt.log")"
}

up() {
  if alive "$folder/docker.pid" && answers; then echo "unix://$socket"; return; fi
  command -v dockerd >/dev/null || install_engine
  if [ -z "$(ls -A /sys/fs/cgroup)" ]; then mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi # no init has done it
  rm -f "$folder/docker.pid" "$folder/exec/containerd/containerd.pid" "$socket" # of one that was killed: dead, or a zombie
  setsid dockerd --host "unix://$socket" --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/docker.pid" \
    --bridge none --iptables=false --ip6tables=false --ip-forward=false --shutdown-timeout 2 \
    >>"$folder/dockerd.log" 2>&1 </dev/null &
  wait_for 180 answers || { tail -n 5 "$folder/dockerd.log" >&2; die "dockerd doesn't answer, its log is $folder/dockerd.log"; }
  echo "unix://$socket"
}

stop() { # stop SIGNAL PID...
  signal=$1; shift
  for pid in "$@"; do kill -"$signal" "$pid" 2>/dev/null || true; done
  for pid in "$@"; do wait_for 30 gone "$pid" || kill -KILL "$pid" 2>/dev/null || true; done
}

gone() { # a zombie, whose parent isn't here to bury it, is gone
  [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

kept() { # kept PATH: the process id in a file of the folder's
  cat "$folder/$1" 2>/dev/null || true
}

stop_containers() { # what a killed engine left: each container's first process, and containerd's shim above it
  for place in /proc/[0-9]*; do
    { tr '\0' ' ' <"$place/cmdline"; } 2>/dev/null | grep -q "^[^ ]*containerd-shim.* $folder/exec/" || continue
    shim=${place#/proc/}
    stop KILL $(cat "$place/task/$shim/children" 2>/dev/null || true) "$shim"
  done
}

unmount_all() {
  grep -o " $folder/[^ ]*" /proc/mounts | sort -r | while read -r place; do umount -l "$place" || true; done
}

case "$1" in
  up) up ;;
  kill) stop KILL $(kept docker.pid) $(kept exec/containerd/containerd.pid) ;;
  down)
    stop TERM $(kept docker.pid)
    stop_containers
    unmount_all
    rm -rf "$folder"
    ;;
  *) die "takes up, down or kill, found '$1'" ;;
esac
