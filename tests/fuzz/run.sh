#!/usr/bin/env bash
# Runs every fuzzer for so many seconds each: tests/fuzz/run.sh SECONDS [NAME...]
# What it finds stays in build/fuzz/findings.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/packages.sh
. deploy/packages.sh
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [NAME...]}
shift
build fuzz fuzzers
mkdir -p build/fuzz/findings
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for source in tests/fuzz/*_fuzz.cpp; do names+=("$(basename "$source" .cpp)"); done
fi
for name in "${names[@]}"; do
    corpus=build/fuzz/corpus/$name
    mkdir -p "$corpus"
    seeds=tests/fuzz/seeds/${name%_fuzz}
    seed_folders=()
    if [ -d "$seeds" ]; then seed_folders=("$seeds"); fi
    log=build/fuzz/$name.log
    if ! "build/fuzz/tests/$name" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -timeout=10 \
        -artifact_prefix=build/fuzz/findings/ "$corpus" "${seed_folders[@]}" >"$log" 2>&1; then
        tail -n 40 "$log"
        echo "fuzzer $name found something: build/fuzz/findings"
        exit 1
    fi
    echo "fuzzer $name: $(grep -oE 'Done [0-9]+ runs in [0-9]+ second' "$log")s, no finding"
done
