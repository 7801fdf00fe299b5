"""The report on one run: docs/benchmarks.md, benchmarks.json, and what has changed since an older one."""

import json
import re

from budgets import ANCHORS, BUDGETS, DUELS
from spread import Spread

INTRODUCTION = """# Benchmarks

Written by `tests/bench/run.sh`, which measures every budget of the design in one run. `--quick` takes a few minutes,
`run.sh nginx redaction` measures single rows, `--compare docs/benchmarks.json` says what has changed. The values of every
round are in [benchmarks.json](benchmarks.json).

How it measures: with and without sonde, ours and what one would take instead, in turns within the same minutes; a figure
is the median over the rounds, beside it the quartiles. Ratios are taken round by round. Each benchmark says in its first
lines what it does and can be run by itself.
"""

BUDGETS_TEXT = """Costs are at most, rates at least what the budget says. **met** and **not met** are about the figure as
it was measured, here, and nothing else.

The budgets that are not ratios were set on another machine. *Scaled* is the same figure against the budget times
what an anchor (below) says about this machine. It tells whether the code is where it was meant to be; it makes no budget
met.
"""

DUELS_TEXT = """*Better by* is the median of the rounds' ratios: x2 is half the cost or twice the rate, below x1 the other
is better. The tracer copies 256 bytes of each call and its reader throws them away; sonde makes transactions of what it
reads. rsyslog parses and writes; sonde besides redacts, looks for each line's request and keeps lines for its API.
"""

ANCHORS_TEXT = """Work that is none of sonde's, measured in this run and on the machine where the budgets were set (the lines
were not the same byte for byte). *Slower* is this machine's factor.
"""


class Run:
    """What was measured: values by source and series, what failed and why, on which machine."""

    def __init__(self, machine, effort, values, failed):
        self.machine, self.effort, self.values, self.failed = machine, effort, values, failed

    @classmethod
    def read(cls, path):
        data = json.loads(path.read_text())
        return cls(data["machine"], data["effort"], data["values"], data["failed"])

    def with_rows_of(self, later, names):
        """This run, with what a later one on the same machine measured of these rows in its place."""
        other = [what for what in ("cpu", "cores", "memory", "kernel") if self.machine.get(what) != later.machine.get(what)]
        if other or self.effort != later.effort:
            raise SystemExit(f"that run was made on another machine or with other rounds ({', '.join(other) or 'rounds'} differ): "
                             "measure it whole")
        told = self.machine | {f"again: {', '.join(names)}": f"{later.machine['date']}, {later.machine['commit']}"}
        values = self.values | {source: self.values.get(source, {}) | series for source, series in later.values.items()}
        failed = {source: why for source, why in self.failed.items() if source not in later.values} | later.failed
        return Run(told, self.effort, values, failed)

    def write(self, path):
        text = json.dumps({"machine": self.machine, "effort": self.effort, "rows": [row_json(row) for row in rows(self)],
                           "failed": self.failed, "values": self.values}, indent=1, ensure_ascii=False)
        # a series is a line
        path.write_text(re.sub(r"\[\s+([-+.\deE,\s]+?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n")

    def of(self, reference):
        """None: it was not measured."""
        return self.values.get(reference[0], {}).get(reference[1])

    def spread(self, reference):
        values = self.of(reference)
        return Spread.of(values) if values else None


def paired(run, ours, theirs, is_rate):
    a, b = run.of(ours), run.of(theirs)
    if not a or not b:
        return None
    # a cost that was lost in the noise has no ratio
    pairs = [(x, y) for x, y in zip(a, b) if x > 0 and y > 0]
    return Spread.of(x / y if is_rate else y / x for x, y in pairs) if pairs else None


def table(header, body):
    """Markdown whose columns line up; all but the first and the last to the right."""
    widths = [max(len(row[i]) for row in (header, *body)) for i in range(len(header))]
    left = (0, len(header) - 1)

    def line(row):
        return "| " + " | ".join(text.ljust(width) if i in left else text.rjust(width)
                                 for i, (text, width) in enumerate(zip(row, widths))) + " |"
    rule = "| " + " | ".join("-" * width if i in left else "-" * (width - 1) + ":" for i, width in enumerate(widths)) + " |"
    return "\n".join([line(header), rule, *map(line, body)]) + "\n"


def quartiles(unit, spread):
    return f"{unit.text(spread.low)} … {unit.text(spread.high)}" if spread.count > 1 else "once"


def rows(run):
    """(budget, spread, scaled limit or None) of what was measured."""
    out = []
    for budget in BUDGETS:
        spread = run.spread(budget.of)
        if spread is None:
            continue
        anchor = run.spread(ANCHORS[budget.anchor].of) if budget.anchor else None
        scaled = None
        if anchor:
            slowness = ANCHORS[budget.anchor].slowness(anchor.median)
            scaled = budget.limit / slowness if budget.is_least else budget.limit * slowness
        out.append((budget, spread, scaled))
    return out


def row_json(row):
    budget, spread, scaled = row
    return {"name": budget.name, "what": budget.what, "budget": budget.text(),
            "unit": budget.unit.name, "limit": budget.limit * budget.unit.scale,
            "median": spread.median * budget.unit.scale, "low": spread.low * budget.unit.scale,
            "high": spread.high * budget.unit.scale, "rounds": spread.count, "met": budget.met(spread.median),
            "scaled_limit": None if scaled is None else scaled * budget.unit.scale,
            "met_scaled": None if scaled is None else budget.met(spread.median, scaled)}


def verdict(met):
    return "met" if met else "not met"


def beside_text(run, budget):
    parts = []
    for beside in budget.beside:
        spread = run.spread(beside.of)
        if spread:
            parts.append(f"{beside.what} {(beside.unit or budget.unit).text(spread.median)}")
    return "; ".join(parts)


def budget_table(run):
    body = []
    for budget, spread, scaled in rows(run):
        by = "" if scaled is None else f"{verdict(budget.met(spread.median, scaled))} ({budget.unit.text(scaled)})"
        body.append([budget.what, budget.text(), budget.unit.text(spread.median), quartiles(budget.unit, spread),
                     f"**{verdict(budget.met(spread.median))}**", by, beside_text(run, budget)])
    return table(["what", "budget", "median", "quartiles", "verdict", "scaled", "beside it, in the same run"], body)


def duel_table(run):
    body = []
    for duel in DUELS:
        ours, theirs = run.spread(duel.ours), run.spread(duel.theirs)
        if not ours or not theirs:
            continue
        better = paired(run, duel.ours, duel.theirs, duel.is_rate)
        body.append([duel.what, duel.unit.text(ours.median), duel.unit.text(theirs.median),
                     f"x{better.median:.2f}" if better else "-",
                     f"x{better.low:.2f} … x{better.high:.2f}" if better and better.count > 1 else "-", duel.instead])
    return table(["what", "sonde", "instead", "better by", "quartiles", "instead of it"], body) if body else ""


def anchor_table(run):
    body = []
    for anchor in ANCHORS.values():
        spread = run.spread(anchor.of)
        if spread:
            body.append([anchor.what, anchor.unit.text(anchor.there), anchor.unit.text(spread.median),
                         quartiles(anchor.unit, spread), f"x{anchor.slowness(spread.median):.2f}",
                         ", ".join(dict.fromkeys(b.name for b in BUDGETS if b.anchor and ANCHORS[b.anchor] == anchor)) or "-"])
    return table(["what", "there", "here", "quartiles", "slower", "scales"], body) if body else ""


def markdown(run):
    told = [[name, text] for name, text in (*run.machine.items(), ("rounds", run.effort))]
    parts = [INTRODUCTION, "## This run\n", table(["", ""], told), "## Budgets\n", BUDGETS_TEXT, budget_table(run)]
    for title, text, body in (("## Side by side\n", DUELS_TEXT, duel_table(run)),
                              ("## Anchors\n", ANCHORS_TEXT, anchor_table(run))):
        if body:
            parts += [title, text, body]
    if run.failed:
        parts += ["## Not measured\n", "\n".join(f"- {source}: {why}" for source, why in run.failed.items()) + "\n"]
    return "\n".join(parts)


def shown_references():
    """What a comparison of two runs looks at: (what, reference, unit, is_rate)."""
    for budget in BUDGETS:
        yield budget.what, budget.of, budget.unit, budget.is_least
    for duel in DUELS:
        yield f"{duel.what}: sonde", duel.ours, duel.unit, duel.is_rate
        yield f"{duel.what}: {duel.instead}", duel.theirs, duel.unit, duel.is_rate
    for anchor in ANCHORS.values():
        yield anchor.what, anchor.of, anchor.unit, anchor.is_rate


def comparison(old, new):
    """What both runs measured. A change counts where the quartiles lie apart."""
    body, seen = [], set()
    for what, reference, unit, is_rate in shown_references():
        before, after = old.spread(reference), new.spread(reference)
        if reference in seen or before is None or after is None:
            continue
        seen.add(reference)
        change = after.median / before.median - 1 if before.median else 0.0
        judged = "within the spread"
        if before.count == 1 or after.count == 1:
            judged = "measured once"
        elif not before.overlaps(after):
            judged = "better" if (change > 0) == is_rate else "worse"
        body.append([what, unit.text(before.median), quartiles(unit, before), unit.text(after.median), quartiles(unit, after),
                     f"{change:+.1%}", judged])
    return table(["what", "before", "quartiles", "now", "quartiles", "change", ""], body)
