#!/bin/sh
# Copies a program and every library that it loads to a new root, stripped, with what TLS and names need.
#   collect.sh PROGRAM ROOT
set -eu
program=$1
root=$2
mkdir -p "$root$(dirname "$program")" "$root/etc/ssl/certs" "$root/etc/sonde" "$root/tmp" "$root/var/lib/sonde" "$root/var/log/sonde"
chmod 1777 "$root/tmp"
strip -o "$root$program" "$program"
# "libx.so.1 => /lib/x86_64-linux-gnu/libx.so.1 (0x…)", and the loader by its path alone
ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\// {print $1}' | sort -u | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
    chmod 755 "$root$library"
done
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo 'root:x:0:0:root:/:/sbin/nologin' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
