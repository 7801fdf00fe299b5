"""Google Benchmark's programs in rounds: all of them once, then all of them again, so that what drifts on a shared
machine meets each of them, and figures of one round can be held against each other."""

import json
import re
import subprocess
import tempfile

from watchers import PROGRAMS

NS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def run(program, series, min_time_s, directory):
    """{NAME:FIELD: value} of those; times are in ns."""
    names = sorted({one.rpartition(":")[0] for one in series})
    done = subprocess.run(
        [str(PROGRAMS / program), "--benchmark_format=json", f"--benchmark_min_time={min_time_s}",
         f"--benchmark_filter=^({'|'.join(map(re.escape, names))})$"],
        cwd=directory, check=True, capture_output=True, text=True)
    values = {}
    for one in json.loads(done.stdout)["benchmarks"]:
        if one.get("error_occurred"):
            raise RuntimeError(f"{program}: {one['name']}: {one['error_message']}")
        for field, value in one.items():
            if f"{one['name']}:{field}" in series:
                scale = NS[one["time_unit"]] if field in ("cpu_time", "real_time") else 1
                values[f"{one['name']}:{field}"] = value * scale
    if missing := series - values.keys():
        raise RuntimeError(f"{program} has no {', '.join(sorted(missing))}")
    return values


def measure(wanted, rounds, min_time_s, tell=print):
    """wanted: {program: its series}. Values by program and series, and what failed, by program."""
    series, failed = {program: {} for program in wanted}, {}
    # they work where they are started, and may be stopped before they have cleaned up
    with tempfile.TemporaryDirectory(prefix="bench-", dir=PROGRAMS) as directory:
        for number in range(rounds):
            tell(f"round {number + 1} of {rounds}: {', '.join(name for name in wanted if name not in failed)}")
            for program in list(wanted)[::1 if number % 2 == 0 else -1]:
                if program in failed:
                    continue
                try:
                    values = run(program, wanted[program], min_time_s, directory)
                except (RuntimeError, OSError, ValueError, subprocess.CalledProcessError) as error:
                    failed[program] = str(error)
                    continue
                for name, value in values.items():
                    series[program].setdefault(name, []).append(value)
    return {program: found for program, found in series.items() if program not in failed}, failed
