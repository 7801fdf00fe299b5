#!/usr/bin/env bash
# Every budget of the design, measured in one run: prints a report and writes docs/benchmarks.md and docs/benchmarks.json.
# `run.sh --help` tells the choices; `run.sh nginx redaction` measures single rows, `--quick` takes a few minutes,
# `--compare docs/benchmarks.json` shows what has changed. Other load spoils the figures: run it alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/packages.sh
. deploy/packages.sh

case " $* " in
*" --from "* | *" --help "* | *" -h "*) ;;  # nothing is measured
*)
    ensure_packages "${build_packages[@]}" "${bench_packages[@]}"
    build release sonde benchmarks
    ;;
esac
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 tests/bench/run.py "$@"
