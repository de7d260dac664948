#!/usr/bin/env bash
# Fuzzes every target for so many seconds (60) with what a nightly compiler has on board: no cargo-fuzz to install.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
if ! cargo +nightly --version >/dev/null 2>&1; then
  echo "fuzz: no nightly compiler here (rustup toolchain install nightly); nothing was fuzzed" >&2
  exit 3
fi
# What cargo-fuzz passes too: coverage as libFuzzer wants it, and assertions.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions --cfg fuzzing"
target=$(rustc +nightly -vV | sed -n 's/^host: //p')
cargo +nightly build --release --quiet --target "$target"
./seed.sh
for name in decode_request decode_batch frame; do
  mkdir -p "corpus/$name" artifacts
  echo "fuzz: $name for $seconds s"
  "target/$target/release/$name" "corpus/$name" -max_total_time="$seconds" -rss_limit_mb=512 -timeout=10 \
    -artifact_prefix="artifacts/$name-" -print_final_stats=1 2>&1 | grep -E "ERROR|SUMMARY|panicked|stat::number_of_executed|stat::peak|Test unit" \
    || { echo "fuzz: $name failed" >&2; exit 1; }
  if compgen -G "artifacts/$name-*" >/dev/null; then
    echo "fuzz: $name found an input, kept under $(pwd)/artifacts" >&2
    exit 1
  fi
done
