"""What a run was made on."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def first(pattern, path, otherwise="unknown"):
    found = re.search(pattern, pathlib.Path(path).read_text(), re.M)
    return found[1].strip() if found else otherwise


def commit():
    done = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True,
                          text=True, check=False)
    return done.stdout.strip() or "unknown"


def other_agents():
    """Number of agents that run already: what is held against nothing would be held against them."""
    def is_agent(process):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return pathlib.PurePath(words[0].decode(errors="replace")).name == "sonde" and b"run" in words[1:2]
    return sum(is_agent(process) for process in pathlib.Path("/proc").glob("[0-9]*"))


def describe():
    """Ordered as it is shown; texts."""
    memory_kib = int(first(r"^MemTotal:\s*(\d+)", "/proc/meminfo", "0"))
    is_virtual = re.search(r"^flags\s*:.*\bhypervisor\b", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "cpu": first(r"^model name\s*:(.*)$", "/proc/cpuinfo"),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory_kib / 1024 / 1024:.1f} GiB",
        "kernel": platform.release(),
        "virtual": "yes" if is_virtual else "no",
        "load before": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "other agents": str(other_agents()),
    }
