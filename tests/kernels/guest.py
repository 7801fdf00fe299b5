"""A QEMU guest without disk or network: one kernel, an initramfs with busybox, sonde and what drives it, all output on
the serial line."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TIMEOUT_S = 600  # software emulation on a busy machine; a guest takes about a minute on an idle one


def libraries(binary):
    """What the loader of a dynamically linked binary opens."""
    words = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=True).stdout
    return [pathlib.Path(path) for path in re.findall(r"(?:=> |^\s*)(/\S+)", words, re.MULTILINE)]


def initramfs(target, sonde, programs):
    """programs: static ones that the guest's init runs."""
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        (root / "bin").mkdir()
        shutil.copy(shutil.which("busybox"), root / "bin" / "busybox")
        shutil.copy(HERE / "init", root / "init")
        (root / "init").chmod(0o755)
        # without debug information, which is most of it
        subprocess.run(["strip", "-o", str(root / "sonde"), str(sonde)], check=True)
        for program in programs:
            shutil.copy(program, root / program.name)
        for library in libraries(sonde):
            place = root / library.relative_to("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library.resolve(), place)
        names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
        with open(target, "wb") as out:
            subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], input="\n".join(names).encode(), cwd=root,
                           stdout=out, stderr=subprocess.DEVNULL, check=True)


def boot(kernel, image):
    """{section: text} of what the guest's init printed."""
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "512", "-smp", "2",
               "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", str(kernel),
               "-initrd", str(image), "-append", "console=ttyS0 panic=-1 quiet"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=TIMEOUT_S)
        output = done.stdout
    except subprocess.TimeoutExpired as expired:
        output = expired.output or b""
    text = output.decode(errors="replace").replace("\r", "")
    sections, name = {}, "boot"
    for line in text.splitlines():
        if line.startswith("== "):
            name = line[3:]
            sections[name] = ""
        else:
            sections[name] = sections.get(name, "") + line + "\n"
    return sections
