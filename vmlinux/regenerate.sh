#!/usr/bin/env bash
# Writes vmlinux/x86_64/vmlinux.h from the type information of Debian's newest 6.12 cloud kernel.
# Needs: apt-get, dpkg-deb, python3, zstd, bpftool. Touches nothing outside a temporary folder and that file.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
package=$(apt-cache search --names-only '^linux-image-6\.12\..*cloud-amd64$' | awk '{print $1}' |
    grep -v unsigned | sort -V | tail -n 1)
[ -n "$package" ] || { echo "no 6.12 cloud kernel among the packages: run apt-get update" >&2; exit 1; }
cd "$work"
apt-get download -q "$package" >/dev/null
dpkg-deb -x ./*.deb tree
python3 "$here/extract_vmlinux.py" "$(ls tree/boot/vmlinuz-*)" vmlinux
PATH=$PATH:/usr/sbin bpftool btf dump file vmlinux format c >"$here/x86_64/vmlinux.h"
echo "$package $(dpkg-deb -f ./*.deb Version)" >"$here/x86_64/SOURCE"
cat "$here/x86_64/SOURCE"
