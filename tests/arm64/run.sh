#!/usr/bin/env bash
# The second architecture: compiles sonde and its unit tests for arm64 against Debian's libraries for it, and runs the
# tests by QEMU's user mode. Needs no arm64 machine, and no root but for installing what is missing. What an arm64 kernel
# says to the programs is not tried here. `run.sh -R PATTERN` and other options go to ctest.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/packages.sh
. deploy/packages.sh
ensure_packages "${build_packages[@]}" "${arm64_packages[@]}"

sysroot=build/aarch64-sysroot
if [ ! -e "$sysroot/.complete" ]; then
    echo "unpacking Debian's libraries for arm64"
    rm -rf "$sysroot"
    mkdir -p build
    libraries=$(printf '%s,' libc6-dev libstdc++-12-dev libgtest-dev)$(printf '%s\n' "${build_packages[@]}" |
        grep -- '-dev$' | paste -sd,)
    # extract: nothing of it is run
    mmdebstrap --quiet --architectures=arm64 --variant=extract --include="$libraries" bookworm "$sysroot"
    # what points to /lib points to this machine's otherwise
    find "$sysroot" -type l -lname '/*' | while read -r link; do
        ln -sfnr "$sysroot$(readlink "$link")" "$link"
    done
    touch "$sysroot/.complete"
fi
build aarch64 sonde unit_tests
file=$(file -b build/aarch64/sonde)
echo "build/aarch64/sonde: ${file%%,*}, $(cut -d, -f2 <<<"$file")"
# What these look at is QEMU's own: the files that a process has mapped, the system calls that the kernel sees.
not_here='^(LogPlan.AFileThatWritesNothingHasNone|LogWatch.ProbesComeAndGoWithTheirProcess'
not_here+='|SystemCalls.WhatIsNotOnTheListIsRefusedAndCounted|TlsWatch.ALibraryThatIsLoadedLater.*'
not_here+='|TlsWatch.AProcessIsLookedAtAfterExec|WaitSampler_.FindsWhatAThreadWaitsFor)$'
echo "unit and replay tests under QEMU"
ctest --test-dir build/aarch64 --output-on-failure --parallel "$(nproc)" --label-exclude integration --exclude-regex "$not_here" "$@"
