#!/usr/bin/env bash
# Judges the real program on a file system that loses power (tests/power/lossyfs): kills with power losses, then every
# row of the table of I/O errors, seen once each. Prints what was expected and what was seen; exit code 1 if they differ.
#
#   tests/power/run.sh [--rounds N] [--profile PROFILE] [--kills | --table]
#
# N power losses in all (default 200), half of them with names that only a directory's sync makes durable (--strict),
# 50 to a data directory. Needs root, /dev/fuse and the package fuse3 (exit code 2 without).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
rounds=200 profile=dev kills=1 table=1
usage() { sed -n '2,8s/^# \{0,1\}//p' "$0"; }
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=${2:?} && shift ;;
    --profile) profile=${2:?} && shift ;;
    --kills) table=0 ;;
    --table) kills=0 ;;
    -h | --help) usage && exit 0 ;;
    *) echo "power: $1 is not understood" >&2 && usage >&2 && exit 2 ;;
    esac
    shift
done

lacks() { echo "power: $1; this test needs root, /dev/fuse and the package fuse3" >&2; exit 2; }
[ "$(id -u)" = 0 ] || lacks "not run by root"
[ -c /dev/fuse ] || lacks "/dev/fuse is not there"
command -v fusermount3 > /dev/null || lacks "fusermount3 is not there"

cd "$root"
echo "building" >&2
CARGO_TARGET_DIR=$root/target/lossyfs cargo build --quiet --release --manifest-path "$here/lossyfs/Cargo.toml"
lossyfs=$root/target/lossyfs/release/lossyfs
# The binary of the tests is built with the program that it starts, in the same profile.
tests=$(cargo test --profile "$profile" --test house --no-run --message-format=json 2> /dev/null |
    grep '"name":"house"' | grep -o '"executable":"[^"]*"' | tail -1 | cut -d'"' -f4)
[ -x "$tests" ] || { echo "power: the tests do not build: cargo test --test house --no-run" >&2; exit 1; }
sordini=$(dirname "$(dirname "$tests")")/sordini

scratch=$(mktemp -d)
mount=$scratch/mount
mkdir "$mount"
fs=
mounted() { # [options of lossyfs]
    "$lossyfs" "$mount" "$@" & fs=$!
    for _ in $(seq 200); do [ -e "$mount/.ctl" ] && return; sleep 0.02; done
    echo "power: lossyfs does not mount" >&2
    exit 1
}
unmounted() {
    fusermount3 -u "$mount" && wait "$fs"
    fs=
}
clean_up() {
    [ -z "${broker:-}" ] || kill -9 "$broker" 2> /dev/null || true
    [ -z "$fs" ] || fusermount3 -uz "$mount" || true
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
counter() { awk -v name="$1" '$1 == name { print $2 }' "$mount/.ctl"; }

wrong=0
power_losses() { # ROUNDS [options of lossyfs]
    local rounds=$1 out=$scratch/kills.log
    shift
    mounted "$@"
    if SORDINI_KILL_DIR=$mount SORDINI_KILL_CTL=$mount/.ctl SORDINI_KILL_ROUNDS=$rounds \
        timeout 1200 "$tests" --exact kill::nothing_acknowledged_is_lost_to_kill_9 --nocapture > "$out" 2>&1 &&
        [ "$(counter crashes)" = "$rounds" ]; then
        printf 'ok     %-9s %s; %s sectors lost, %s kept\n' "${*:-plain}" "$(grep ' kills, ' "$out")" \
            "$(counter sectors_lost)" "$(counter sectors_kept)"
    else
        wrong=$((wrong + 1))
        printf 'WRONG  %s, %s rounds\n' "${*:-plain}" "$rounds"
        tail -40 "$out" | cut -c1-400
    fi
    unmounted
}

if [ $kills = 1 ]; then
    echo "power losses under load"
    left=$rounds strict=
    while [ "$left" -gt 0 ]; do
        share=$((left < 50 ? left : 50))
        # shellcheck disable=SC2086
        power_losses $share $strict
        left=$((left - share))
        strict=$([ -n "$strict" ] || echo --strict)
    done
fi
if [ $table = 1 ]; then
    # shellcheck source=tests/power/table.sh
    . "$here/table.sh"
fi
[ $wrong = 0 ] || { echo "$wrong wrong" >&2; exit 1; }
