#!/usr/bin/env bash
# Installs what is missing, builds sonde and runs it on this machine, with no configuration.
#   deploy/run.sh [--demo] [options of `sonde run`]
# --demo also starts a small shop with a load that goes wrong by turns, on loopback, for ten minutes at most.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=deploy/packages.sh
. deploy/packages.sh

demo=
arguments=()
for argument in "$@"; do
    if [ "$argument" = --demo ]; then demo=yes; else arguments+=("$argument"); fi
done

ensure_packages "${build_packages[@]}"
if [ -n "$demo" ]; then
    command -v node >/dev/null || demo_packages+=(nodejs)
    ensure_packages "${demo_packages[@]}"
fi
build release sonde

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "sonde loads eBPF programs: run this as root" >&2; exit 1; }
    as_root=(sudo)
fi
if [ -z "$demo" ]; then
    exec "${as_root[@]}" build/release/sonde run "${arguments[@]}"
fi

/usr/bin/python3 deploy/demo/demo.py >/dev/null &
demo_pid=$!
# the demo stops its own children when it is told to end; how it ended is not how sonde did
trap 'kill "$demo_pid" 2>/dev/null || true; wait "$demo_pid" 2>/dev/null || true' EXIT
"${as_root[@]}" build/release/sonde run "${arguments[@]}"
