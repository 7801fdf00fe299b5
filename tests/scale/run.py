"""Runs the simulation along its axes and writes the report: see run.sh."""

import argparse
import pathlib
import signal
import subprocess
import sys
import time

from axes import AXES
import scale_report
from simulation import PROGRAM, ROOT, Mismatch, measure

sys.path.insert(0, str(ROOT / "tests" / "bench"))
import machine  # noqa: E402


def tell(text=""):
    print(text, flush=True)


class Columns:
    """Lines that line up as they come."""

    WIDTHS = (34, 10, 11, 8, 7, 7, 6, 9, 6)

    def line(self, *cells):
        tell(" ".join([cells[0].ljust(self.WIDTHS[0]),
                       *(cell.rjust(width) for cell, width in zip(cells[1:-1], self.WIDTHS[1:])), " " + cells[-1]]))


def middle(shape, settings, rounds):
    """The round with the median of CPU."""
    measured = sorted((measure(shape, settings) for _ in range(rounds)), key=lambda values: values["whole_us"])
    return measured[len(measured) // 2]


def run_axis(axis, quick, rounds, failed):
    columns, points, knobs = Columns(), {}, []
    columns.line(axis.unit, *scale_report.HEADER)

    def one(title, value, settings):
        try:
            values = middle(axis.shape(value, quick), settings, rounds)
        except (Mismatch, subprocess.CalledProcessError) as error:
            failed.append(f"{axis.name}, {title}: {error}")
            tell(f"{title}: FAILED, {error}")
            return None
        columns.line(title, *scale_report.cells(values))
        return values

    for value in axis.quick if quick else axis.points:
        if values := one(scale_report.number(value), value, {}):
            points[value] = values
    for knob in axis.knobs:
        if knob.at not in points:
            continue
        settings = " ".join(f"{key}={value}" for key, value in knob.settings.items())
        if values := one(settings, knob.at, knob.settings):
            knobs.append({"axis": axis.name, "at": knob.at, "settings": knob.settings, "bounds": knob.bounds,
                          "values": values})
    return points, knobs


def arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description="What sonde costs as traffic grows, by simulation.")
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=f"only these: {', '.join(AXES)}")
    parser.add_argument("--quick", action="store_true", help="fewer points and a minute of traffic, not an hour")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="of each point; the one in the middle counts")
    parser.add_argument("--from", dest="source", type=pathlib.Path, metavar="RUN.json",
                        help="measures nothing: reports on this run")
    parser.add_argument("--output", type=pathlib.Path, metavar="DIRECTORY",
                        help="where scale.md and scale.json go; else docs/, and build/release/scale/ when the run is not whole")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.axes if name not in AXES]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(AXES)}")
    return chosen


def write(run, directory):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "scale.md").write_text(scale_report.markdown(run))
    run.write(directory / "scale.json")
    tell(f"\nwritten: {directory / 'scale.md'}, {directory / 'scale.json'}")


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the simulation is stopped, too
    chosen, failed = arguments(), []
    parts = chosen.output or PROGRAM.parents[1] / "scale"  # what is not whole
    if chosen.source:
        write(scale_report.Run.read(chosen.source), parts)
        return 0
    run = scale_report.Run(machine.describe(), "quick" if chosen.quick else "full", {}, [])
    began = time.monotonic()
    try:
        for name in chosen.axes or AXES:
            tell(f"\n== {name} ({time.monotonic() - began:.0f} s since the start)")
            points, knobs = run_axis(AXES[name], chosen.quick, chosen.rounds, failed)
            if points:
                run.points[name] = points
            run.knobs += knobs
    except KeyboardInterrupt:
        write(run, parts)
        return "stopped; what is written are the axes that were measured to their end"
    whole = not (chosen.axes or chosen.quick or failed)
    write(run, chosen.output or ROOT / "docs" if whole else parts)
    for failure in failed:
        tell(f"FAILED: {failure}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
