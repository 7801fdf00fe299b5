#!/usr/bin/env bash
# What sonde costs as traffic grows, by simulation: prints a table per axis and writes docs/scale.md and docs/scale.json.
# run.sh [--quick] [AXIS…]: rate, services, routes, connections, processes, alive; `--help` tells the rest. Needs no privileges.
# An hour of traffic takes about a minute; other load makes the CPU figures larger.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/packages.sh
. deploy/packages.sh

case " $* " in
*" --from "* | *" --help "* | *" -h "*) ;;  # nothing is measured
*)
    ensure_packages "${build_packages[@]}" libgtest-dev python3
    build release scale_simulation
    ;;
esac
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 tests/scale/run.py "$@"
