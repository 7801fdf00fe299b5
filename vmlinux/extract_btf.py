#!/usr/bin/env python3
"""Cuts the type information out of a kernel: extract_btf.py VMLINUZ OUTPUT.

It lies in the kernel as Documentation/bpf/btf.rst, chapter 2, says; a bare Image has no sections to find it by."""

import struct
import sys

from extract_vmlinux import unpacked

HEADER = struct.Struct("<HBBIIIII")  # magic, version, flags, hdr_len, type_off, type_len, str_off, str_len
START = b"\x9f\xeb\x01\x00" + struct.pack("<I", HEADER.size)


def types(image):
    """The largest piece that has a header of BTF and strings where it says."""
    best, at = b"", image.find(START)
    while at >= 0:
        _, _, _, header, type_at, type_bytes, string_at, string_bytes = HEADER.unpack_from(image, at)
        end = at + header + string_at + string_bytes
        if type_at + type_bytes <= string_at and end <= len(image) and string_bytes > 1 and image[end - 1] == 0:
            best = max(best, image[at:end], key=len)
        at = image.find(START, at + 1)
    return best


def main(source, target):
    found = types(unpacked(source))
    if not found:
        sys.exit(f"{source} has no type information")
    with open(target, "wb") as out:
        out.write(found)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
