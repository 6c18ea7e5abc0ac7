#!/usr/bin/env bash
# Sets everything up on a fresh machine, then starts the app or runs the tests:
#   ./run.sh app      the app, on http://127.0.0.1:7860 (GRADIO_SERVER_PORT and GRADIO_SERVER_NAME change that)
#   ./run.sh test     the tests; further arguments go to pytest
# Debian packages are installed only where they are missing, Python packages into .venv only when the pins changed.
set -euo pipefail
cd "$(dirname "$0")"

debian_packages() {
  local missing=()
  for package in "$@"; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
  [ ${#missing[@]} = 0 ] && return
  echo "Installing Debian packages: ${missing[*]}" >&2
  local sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

find_python() {
  for name in python3.11 python3.12 python3; do
    if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; then echo "$name"; return; fi
  done
  echo "Python 3.11 or 3.12 is needed (fairseq2n has wheels for no other)." >&2; exit 2
}

python_packages() {
  local pins python stamp=.venv/installed
  pins=$(cat requirements.txt "$1" | sha256sum)
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$pins $1" ] && return
  if [ ! -x .venv/bin/pip ]; then
    python=$(find_python)
    "$python" -c 'import ensurepip' 2>/dev/null || debian_packages python3-venv
    "$python" -m venv .venv
  fi
  echo "Installing Python packages: about 4 GB the first time." >&2
  .venv/bin/python -m pip install --quiet -r "$1"
  echo "$pins $1" > "$stamp"
}

case "${1:-}" in
  app)
    debian_packages $(cat packages.txt); python_packages requirements.txt
    exec .venv/bin/python app.py ;;
  test)
    debian_packages $(cat packages.txt packages-dev.txt); python_packages requirements-dev.txt
    shift; exec .venv/bin/python -m pytest "$@" ;;
  *) sed -n 2,5p "$0" >&2; exit 2 ;;
esac
