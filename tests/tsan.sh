#!/usr/bin/env bash
# Unit and replay tests under ThreadSanitizer: tests/tsan.sh [CTEST OPTION...]. Needs root, as tests/run.sh does, of which it
# is no part: everything would be built a third time there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=deploy/packages.sh
. deploy/packages.sh
ensure_packages "${build_packages[@]}" "${test_packages[@]}"
build tsan unit_tests
exec ctest --test-dir build/tsan --output-on-failure --label-exclude integration --parallel "$(nproc)" "$@"
