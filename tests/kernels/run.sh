#!/usr/bin/env bash
# Boots Debian's kernels 5.10, 6.1, 6.12 and the newest in QEMU and runs sonde in each, beside a server and a client whose
# every request is known. Arguments go to matrix.py: --kernels 6.1,newest, --refresh, --record, --keep DIRECTORY.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/packages.sh
. deploy/packages.sh

ensure_packages "${build_packages[@]}" "${test_packages[@]}" "${kernel_packages[@]}"
build release sonde http_pair program_costs stream_pair
python3 tests/kernels/matrix.py build/release/sonde build/release/tests "$@"
