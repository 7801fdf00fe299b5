"""docs/scale.md and scale.json of a run. What it says about a run follows from the run's figures."""

import json
import pathlib
import sys
import textwrap

from axes import AXES, BASE, BOUNDS

for folder in ("bench", "soak"):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / folder))
from graph import spark  # noqa: E402
from report import table  # noqa: E402

INTRODUCTION = """# Scale

What sonde costs as traffic grows, along one axis at a time, and where a bound begins to bite. Written by
`tests/scale/run.sh`; every figure is in [scale.json](scale.json).

How it is measured: `tests/scale/scale_simulation` makes records as the kernel sends them and runs them through the agent's own
code, faster than time: decoder, connections, phases, routes, log lines, links, metrics, redaction, sampling, the history, the
live table, and one sink that writes JSON lines to `/dev/null`. Each point is a process of its own. Requests are spread
evenly over connections, routes and services, which is the worst case for every table; each route answers with three
statuses, every fourth service is a client, and one process in ten writes a line for each request. A point counts only if every
request is in the metrics, in a histogram and at the sink, or a counter says why it is not.

Not in it: the kernel's programs and the ring, reading `/proc`, resources of processes, Kubernetes, alerts, the HTTP server;
[operation.md](operation.md#memory) says what the program itself takes. CPU is what *this* machine spent on that day; the
shape of a curve travels, its height does not.

| column | |
| --- | --- |
| µs/request | CPU of the pipeline's thread; of all threads: history and sink with it |
| core | the share of one core that the pipeline's thread is busy. At 100% the ring fills, and records are lost |
| tables | MiB resident beyond the program before it starts |
| scrape | MiB more at the peak of a scrape, and CPU ms that it takes |
| series, size | samples that `/metrics` answers with, and MiB of text |
| full | which bounds were reached, and the share that they touched |
"""

HISTORY_SECONDS = 300
KNOBS_TEXT = "A knob turned, at a point of this axis:\n"


class Run:
    """What was measured: on which machine, by axis and point, with and without knobs."""

    def __init__(self, machine, effort, points, knobs):
        self.machine, self.effort, self.points, self.knobs = machine, effort, points, knobs

    @classmethod
    def read(cls, path):
        data = json.loads(path.read_text())
        points = {name: {int(at): values for at, values in points.items()} for name, points in data["axes"].items()}
        return cls(data["machine"], data["effort"], points, data["knobs"])

    def write(self, path):
        def line(values):
            return json.dumps({key: round(value, 3) for key, value in values.items()})

        axes = ",\n".join(f'  "{name}": {{\n' + ",\n".join(f'   "{at}": {line(values)}' for at, values in points.items()) +
                          "\n  }" for name, points in self.points.items())
        knobs = ",\n".join("  " + json.dumps(knob | {"values": None}).replace("null", line(knob["values"]))
                           for knob in self.knobs)
        path.write_text(f'{{\n "machine": {json.dumps(self.machine)},\n "effort": "{self.effort}",\n'
                        f' "base": {json.dumps(BASE)},\n "axes": {{\n{axes}\n }},\n "knobs": [\n{knobs}\n ]\n}}\n')


def number(value):
    return f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.1f}"


def wrapped(text, indent=""):
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def percent(share):
    if share >= 0.995 or share == 0:
        return f"{share * 100:.0f}%"
    return f"{share * 100:.2g}%" if share >= 0.0001 else "< 0.01%"


def share(bound, values):
    """Of what it is told of; None: a number."""
    if not bound.of:
        return None
    if bound.of == "1":
        return values[bound.value]
    return values[bound.value] / values[bound.of] if values[bound.of] else 0.0


def touched(bound, values):
    part = share(bound, values)
    return number(values[bound.value]) if part is None else percent(part)


def full(values):
    return [bound for bound in BOUNDS if values[bound.value] > 0]


def full_text(values):
    return ", ".join(f"{bound.short} {touched(bound, values)}" for bound in full(values)) or "nothing"


HEADER = ("µs/request", "all threads", "core", "tables", "scrape", "ms", "series", "size", "full")


def cells(values):
    return (number(values["pipeline_us"]), number(values["whole_us"]), percent(values["pipeline_core"]),
            number(values["tables_mib"]), number(values["scrape_mib"]), number(values["scrape_cpu_ms"]),
            number(values["series"]), number(values["metrics_mib"]), full_text(values))


def knee_text(axis, points, bound):
    """Between which points the bound begins to bite, and how far it has gone at the last."""
    bitten = [at for at in points if points[at][bound.value] > 0]
    first, last = bitten[0], list(points)[-1]
    before = [at for at in points if at < first]
    began = f"at {number(first)}, not yet at {number(before[-1])}" if before else f"at {number(first)} already"
    end = ""
    if first != last and points[last][bound.value] > 0:
        end = f", {touched(bound, points[last])} at {number(last)}"
    return wrapped(f"- **{bound.short}** {began}: {touched(bound, points[first])} {bound.what}{end}. {sentence(bound.knob)}",
                   "  ")


def sentence(text):
    return text[0].upper() + text[1:] + "."


def history_text(run, axis):
    """Whether a point was long enough to say anything of the history's five minutes."""
    short = [at for at in run.points[axis.name] if axis.shape(at, run.effort == "quick")["seconds"] < HISTORY_SECONDS]
    if not short:
        return ""
    which = "No point" if len(short) == len(run.points[axis.name]) else "No point from " + number(short[0]) + " on"
    return f"{which} lasts the five minutes that fill the history's steps of 1 s: what is gone of them does not show there."


def cost_text(axis, points):
    """What a unit more of the axis costs, from the first point to the last."""
    (first, a), (last, b) = list(points.items())[0], list(points.items())[-1]
    lines = []
    if axis.name == "rate":
        most = max(points, key=lambda at: points[at]["pipeline_core"])
        core = points[most]["pipeline_core"]
        if core >= 1:
            least = next(at for at in points if points[at]["pipeline_core"] >= 1)
            lines.append(f"The pipeline's core is full at {number(least)}: records would be lost. `discovery.exclude` keeps away "
                         "what need not be seen; `ring.size` carries over bursts, not over a steady load.")
        else:
            lines.append(f"The pipeline's core is not full: {percent(core)} at {number(most)}.")
        cheapest = min(values["pipeline_us"] for values in points.values())
        lines.append(f"At its cheapest, {cheapest:.1f} µs a request, one core of this machine comes to "
                     f"{number(round(1e6 / cheapest, -2))} requests/s.")
    else:
        lines.append(f"CPU goes from {number(a['pipeline_us'])} to {number(b['pipeline_us'])} µs a request (all threads: "
                     f"{number(a['whole_us'])} to {number(b['whole_us'])}) between {number(first)} and {number(last)}.")
    each = (b["tables_mib"] - a["tables_mib"]) * 1024 / (last - first)
    lines.append(f"Tables go from {number(a['tables_mib'])} to {number(b['tables_mib'])} MiB" +
                 (f", {each:.2g} KiB for each more." if axis.name != "rate" and each > 0 else "."))
    if b["series"] > 1.5 * a["series"]:
        lines.append(f"A scrape goes from {number(a['metrics_mib'])} to {number(b['metrics_mib'])} MiB of text, and takes "
                     f"{number(b['scrape_mib'])} MiB more for a moment; fewer routes (`routes.max_per_service`) or services "
                     "(`discovery`) make it smaller.")
    return " ".join(lines)


def knob_text(run, axis):
    """What turning it gained and cost."""
    lines = []
    for knob in run.knobs:
        if knob["axis"] != axis.name or knob["at"] not in run.points[axis.name]:
            continue
        a, b = run.points[axis.name][knob["at"]], knob["values"]
        settings = " and ".join(f"`{key}={value}`" for key, value in knob["settings"].items())
        parts = [f"{bound.short} {touched(bound, a)} → {touched(bound, b)}" for bound in BOUNDS
                 if bound.value in knob["bounds"]]
        parts += [f"{what} {number(a[key])} → {number(b[key])}{unit}" for what, key, unit in
                  (("CPU of all threads", "whole_us", " µs a request"), ("tables", "tables_mib", " MiB"),
                   ("/metrics", "metrics_mib", " MiB"), ("scrape", "scrape_mib", " MiB"))]
        lines.append(wrapped(f"- {settings} at {number(knob['at'])}: {'; '.join(parts)}.", "  "))
    return "\n".join(lines)


def axis_text(run, name):
    axis, points = AXES[name], run.points[name]
    parts = [f"## {sentence(axis.unit)[:-1]}\n"]
    if len(points) > 1:
        parts.append(f"`{spark([v['whole_us'] for v in points.values()])}` µs/request of all threads   "
                     f"`{spark([v['tables_mib'] for v in points.values()])}` tables   "
                     f"`{spark([v['series'] for v in points.values()])}` series\n")
    parts.append(table((axis.unit, *HEADER), [(number(at), *cells(values)) for at, values in points.items()]))
    if len(points) > 1:
        parts.append(wrapped(" ".join(filter(None, (cost_text(axis, points), history_text(run, axis))))) + "\n")
    knees = [knee_text(axis, points, bound) for bound in BOUNDS if any(values[bound.value] > 0 for values in points.values())]
    parts.append("\n".join(knees) + "\n" if knees else "No bound was reached.\n")
    if knobs := knob_text(run, axis):
        parts.append(KNOBS_TEXT + "\n" + knobs + "\n")
    return "\n".join(parts)


def is_busy(machine):
    """Whether others left it less than a core and a half, as the load of the last minute tells."""
    load = float(machine.get("load before", "0").split()[0])
    return load > max(0.5, int(machine.get("cores", "1")) - 1.5)


def markdown(run):
    machine = table(("machine", ""), list(run.machine.items()) + [("effort", run.effort)])
    base = wrapped(f"Where an axis does not say otherwise: {number(BASE['rate'])} requests a second for "
                   f"{number(BASE['seconds'])} s of their own time, {BASE['services']} services, {BASE['routes']} routes, "
                   f"{number(BASE['connections'])} connections, {BASE['processes']} processes. Of a higher rate it takes fewer "
                   "seconds: two million requests, and ten seconds at least. Each process has a connection at least, each "
                   "service a process and a route.") + "\n"
    if run.effort != "full":
        base += "\nThis run was a quick one: a minute of traffic or some more, where a whole one takes an hour.\n"
    if is_busy(run.machine):
        base += "\nThe machine was busy with other things before it began: take the CPU figures for too large.\n"
    return "\n".join([INTRODUCTION, base, machine, *(axis_text(run, name) for name in AXES if name in run.points)])
