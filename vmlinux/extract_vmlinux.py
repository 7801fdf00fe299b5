#!/usr/bin/env python3
"""Cuts the uncompressed kernel out of a vmlinuz: extract_vmlinux.py VMLINUZ OUTPUT.

A bzImage's payload stands where its boot header says (Documentation/arch/x86/boot.rst: payload_offset at 0x248,
payload_length at 0x24c, both from the end of the setup sectors). Debian's arm64 kernels are bare Images
(Documentation/arch/arm64/booting.rst: "ARMd" at 56): nothing is to be cut out."""

import struct
import subprocess
import sys

# magic → command that writes the decompressed bytes to stdout
DECOMPRESSORS = {b"\x28\xb5\x2f\xfd": ["zstd", "-dcq"], b"\x02\x21\x4c\x18": ["lz4", "-dcq"], b"\xfd7zXZ": ["xz", "-dcq"]}


def unpacked(source):
    image = open(source, "rb").read()
    if image[56:60] == b"ARMd":
        return image
    if image[0x1FE:0x200] != b"\x55\xaa" or image[0x202:0x206] != b"HdrS":
        sys.exit(f"{source} is neither a bzImage nor an arm64 Image")
    setup = (image[0x1F1] or 4) + 1
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = setup * 512 + offset
    payload = image[start : start + length]
    for magic, command in DECOMPRESSORS.items():
        if payload.startswith(magic):
            # the last four bytes are the uncompressed size, which the decompressor takes for garbage
            return subprocess.run(command, input=payload[:-4], stdout=subprocess.PIPE, check=True).stdout
    sys.exit(f"{source}: payload in an unknown compression {payload[:4].hex()}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[2], "wb") as target:
        target.write(unpacked(sys.argv[1]))
