#!/usr/bin/env bash
# Soak and chaos: run.sh MINUTES [--keep DIRECTORY]. Mixed load and trouble for so long, then what was found: tables, a
# graph (build/soak/soak.svg) and every finding; ends with 1 when there is one. Nothing else should run on the machine.
# SONDE_BINARY: a program that is built already. --keep: the agent's log, its events and last /metrics stay there.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/packages.sh
. deploy/packages.sh

if [ "$(id -u)" -ne 0 ]; then
    echo "the soak loads eBPF programs and makes cgroups: run this as root" >&2
    exit 1
fi
packages=("${soak_packages[@]}")
[ -n "${SONDE_BINARY:-}" ] || packages+=("${build_packages[@]}")
ensure_packages "${packages[@]}"
[ -n "${SONDE_BINARY:-}" ] || build release sonde
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 tests/soak/soak.py "$@"
