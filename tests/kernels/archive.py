"""Debian kernels for the guests: found by pattern (superseded ones leave the archive), fetched through an apt
configuration of its own that leaves the machine's alone, kept in a cache."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "sonde" / "kernels"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# name in the table → (suite, pattern of the package whose group tells which is the newest)
WANTED = {
    "5.10": ("bullseye-security", r"linux-image-5\.10\.0-(\d+)-cloud-amd64"),
    "6.1": ("bookworm-security", r"linux-image-6\.1\.0-(\d+)-cloud-amd64"),
    "6.12": ("trixie-security", r"linux-image-6\.12\.(\d+)\+deb13-cloud-amd64"),
    # from 6.19 the image is in linux-binary-*, the linux-image-* there only signs it
    "newest": ("trixie-backports", r"linux-(?:image|binary)-([\d.]+)\+deb13-cloud-amd64"),
}


def mirrors():
    """(URI of the archive, URI of the security archive), as this machine's apt is configured."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(SUITE) $(LABEL)"],
                          capture_output=True, text=True, check=True).stdout
    main = security = None
    for line in done.splitlines():
        uri, _, label = line.split(" ", 2)
        if label == "Debian":
            main = main or uri
        elif label == "Debian-Security":
            security = security or uri
    if not main or not security:
        sys.exit("apt knows no Debian archive here (or its lists are empty: apt-get update): "
                 "the kernels come from Debian")
    return main, security


class Apt:
    """apt with a private state, for the suites that hold the kernels."""

    def __init__(self, directory, suites):
        self.directory = pathlib.Path(directory)
        main, security = mirrors()
        sources = [f"deb [signed-by={KEYRING} arch=amd64] {security if suite.endswith('-security') else main} {suite} main"
                   for suite in suites]
        (self.directory / "sources.list").write_text("\n".join(sources) + "\n")
        for name in ("lists/partial", "cache/archives/partial", "log"):
            (self.directory / name).mkdir(parents=True)
        (self.directory / "status").touch()
        self.options = [f"-oDir::Etc::sourcelist={self.directory}/sources.list", "-oDir::Etc::sourceparts=/dev/null",
                        f"-oDir::State::lists={self.directory}/lists", f"-oDir::State::status={self.directory}/status",
                        f"-oDir::Cache={self.directory}/cache", "-oAPT::Architecture=amd64", "-oAPT::Sandbox::User=root",
                        "-oAcquire::Languages=none", "-oAPT::Get::List-Cleanup=0"]
        self.run("apt-get", "update")

    def run(self, command, *arguments):
        done = subprocess.run([command, "-q", *self.options, *arguments], cwd=self.directory, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{command} {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def newest(self, pattern):
        names = self.run("apt-cache", "search", "--names-only", "^linux-(image|binary)-.*cloud-amd64$")
        found = [(tuple(int(part) for part in match[1].split(".")), match[0])
                 for line in names.splitlines() if (match := re.fullmatch(pattern, line.split(" ")[0]))]
        if not found:
            sys.exit(f"no package in the archive is named like {pattern}")
        best = max(found)[0]
        # of an image and a binary of the same version, the binary holds the kernel
        return sorted(name for version, name in found if version == best)[0]


def extract(package, target):
    """The uncompressed kernel of a .deb."""
    with tempfile.TemporaryDirectory() as tree:
        subprocess.run(["dpkg-deb", "-x", str(package), tree], check=True)
        images = [*pathlib.Path(tree).glob("boot/vmlinuz-*"), *pathlib.Path(tree).glob("usr/lib/modules/*/vmlinuz")]
        if len(images) != 1:
            sys.exit(f"{package.name} holds {len(images)} kernel images")
        subprocess.run([sys.executable, str(ROOT / "vmlinux" / "extract_vmlinux.py"), str(images[0]), str(target)],
                       check=True)


def kernels(names, refresh=False):
    """{name: path of vmlinux}. Fetches what the cache lacks."""
    CACHE.mkdir(parents=True, exist_ok=True)
    found = {name: CACHE / f"vmlinux-{name}" for name in names}
    missing = [name for name in names if refresh or not found[name].exists()]
    if missing:
        with tempfile.TemporaryDirectory() as directory:
            apt = Apt(directory, sorted({WANTED[name][0] for name in missing}))
            for name in missing:
                package = apt.newest(WANTED[name][1])
                print(f"fetching {package} …", file=sys.stderr)
                apt.run("apt-get", "download", package)
                (deb,) = apt.directory.glob(f"{package}_*.deb")
                part = found[name].with_suffix(".part")
                extract(deb, part)
                part.rename(found[name])
    return found
