#!/usr/bin/env bash
# Writes vmlinux/*/vmlinux.h from the type information of Debian's newest 6.12 cloud kernels, one per architecture.
# Needs: apt-get, dpkg-deb, python3, zstd, bpftool. Touches nothing outside a temporary folder and those files.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# regenerate FOLDER DEBIAN_ARCHITECTURE
regenerate() {
    local folder=$here/$1 architecture=$2 package tree=$work/$2
    mkdir -p "$tree/lists/partial" "$tree/cache/archives/partial" "$folder"
    local options=(-qq -oAPT::Architecture="$architecture" -oAPT::Architectures="$architecture" -oAPT::Sandbox::User=root
        -oDir::State::lists="$tree/lists" -oDir::State::status=/dev/null -oDir::Cache="$tree/cache"
        -oAcquire::Languages=none)
    apt-get "${options[@]}" update
    package=$(apt-cache "${options[@]}" search --names-only "^linux-image-6\.12\..*cloud-$architecture\$" |
        awk '{print $1}' | grep -v unsigned | sort -V | tail -n 1)
    [ -n "$package" ] || { echo "no 6.12 cloud kernel among the packages for $architecture" >&2; exit 1; }
    cd "$tree"
    apt-get "${options[@]}" download "$package"
    dpkg-deb -x ./*.deb unpacked
    PYTHONDONTWRITEBYTECODE=1 python3 "$here/extract_btf.py" "$(ls unpacked/boot/vmlinuz-*)" btf
    PATH=$PATH:/usr/sbin bpftool btf dump file btf format c >"$folder/vmlinux.h"
    echo "$package $(dpkg-deb -f ./*.deb Version)" >"$folder/SOURCE"
    cat "$folder/SOURCE"
}

regenerate x86_64 amd64
regenerate arm64 arm64
