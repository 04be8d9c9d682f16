#!/usr/bin/env bash
# Makes a machine ready: the virtual environment in .venv and, where apt can, redis-server and PostgreSQL. Repeatable.
# --servers: says by its exit code whether the servers are there, and does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null 2>&1; then sudo "$@"
  else return 1
  fi
}

apt_install() {
  command -v apt-get >/dev/null 2>&1 || return 1
  as_root apt-get update -q >/dev/null && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" >/dev/null
}

has_redis() { command -v "${DUCTO_REDIS_SERVER:-redis-server}" >/dev/null 2>&1; }

# Where tests/servers.py looks for it; Debian keeps it off the path.
has_postgres() {
  for folder in ${DUCTO_POSTGRES_BIN:-} "$(dirname "$(command -v initdb || echo /none/initdb)")" /usr/lib/postgresql/*/bin; do
    if [ -x "$folder/initdb" ]; then return 0; fi
  done
  return 1
}

if [ "${1:-}" = --servers ]; then has_redis && has_postgres; exit; fi

python=""
for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
  if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$name
    break
  fi
done
if [ -z "$python" ]; then
  say "Python 3.11 or newer is needed and was not found; install it, or name it: make PYTHON=/path/to/python3"
  exit 1
fi

if ! has_redis; then
  say "redis-server is missing; installing it with apt"
  if ! apt_install redis-server; then
    say "redis-server 7.0 or newer is needed: install it with your system's package manager,"
    say "or name its binary: export DUCTO_REDIS_SERVER=/path/to/redis-server"
    exit 1
  fi
fi

if ! has_postgres; then
  say "PostgreSQL is missing; installing it with apt"
  if ! apt_install postgresql; then
    say "PostgreSQL 14 or newer is needed by the tests: install it with your system's package manager,"
    say "or name the folder of its programs: export DUCTO_POSTGRES_BIN=/path/to/bin"
    exit 1
  fi
fi

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
  rm -rf .venv
  if ! "$python" -m venv .venv 2>/dev/null; then
    say "Python's venv module is incomplete; installing python3-venv with apt"
    rm -rf .venv
    apt_install python3-venv || { say "install the venv module of $python and try again"; exit 1; }
    "$python" -m venv .venv
  fi
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
touch .venv/.ready
