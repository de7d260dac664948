#!/usr/bin/env bash
# Sets up the clients that nobody here wrote, in the directory named: a Python environment with pinned packages; kcat comes
# from the system's packages (installed here if this user may). Does nothing where all is there already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:?usage: setup.sh DIR}
mkdir -p "$dir"
exec 9> "$dir/.lock"; flock 9
if ! command -v kcat > /dev/null; then
    echo "installing kcat" >&2
    { apt-get update -qq && apt-get install -y -qq kcat; } > "$dir/kcat.log" 2>&1 ||
        { echo "kcat is missing and could not be installed (see $dir/kcat.log): install the package kcat" >&2; exit 1; }
fi
if ! cmp -s "$here/requirements.txt" "$dir/installed.txt"; then
    echo "installing Python clients into $dir/venv" >&2
    python3 -m venv "$dir/venv"
    "$dir/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$dir/installed.txt"
fi
