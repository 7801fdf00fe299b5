#!/usr/bin/env bash
# The whole truth matrix: every server, every client, each protocol, plain and over TLS, printed as a table; ends with 1
# when a row differs for no documented reason. `truth.sh --help` tells the choices.
# Its short form, tests/integration/truth_test.py, is one of the tests that tests/run.sh runs.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/packages.sh
. deploy/packages.sh

if [ "$(id -u)" -ne 0 ]; then
    echo "the matrix loads eBPF programs: run this as root" >&2
    exit 1
fi
packages=("${build_packages[@]}" "${test_packages[@]}" "${truth_packages[@]}")
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
ensure_packages "${packages[@]}"
build release sonde uring_server
cd tests/integration
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 -m truth.matrix "$@"
