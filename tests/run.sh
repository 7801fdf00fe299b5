#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Needs root: the kernel side is tested for real.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=deploy/packages.sh
. deploy/packages.sh

if [ "$(id -u)" -ne 0 ]; then
    echo "the tests load eBPF programs and make mount namespaces: run this as root" >&2
    exit 1
fi
packages=("${build_packages[@]}" "${test_packages[@]}")
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)  # fetches the tools of tests/console
ensure_packages "${packages[@]}"

# What fails does not keep the rest from running: one run tells all that is wrong.
failed=()
# short runs here; longer ones: tests/fuzz/run.sh SECONDS
bash tests/fuzz/run.sh "${FUZZ_SECONDS:-5}" || failed+=(fuzzers)
build fuzz unit_tests
echo "unit tests under AddressSanitizer and UndefinedBehaviorSanitizer"
ctest --test-dir build/fuzz --output-on-failure --parallel "$(nproc)" || failed+=("unit tests")
build release integration_programs
ctest --test-dir build/release --output-on-failure --label-regex integration || failed+=("integration tests")
bash tests/kernels/run.sh || failed+=(kernels)
if [ ${#failed[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
