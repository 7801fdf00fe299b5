#!/usr/bin/env python3
"""The report on made-up figures: verdicts, scaling, comparison. Measures nothing."""

import pathlib
import tempfile
import unittest

import budgets
import report

MACHINE = {"date": "2026-01-02 03:04 UTC", "commit": "abc", "cpu": "a quick one"}


def run(**changed):
    """Every figure of the report: each budget just met, each anchor as it was there, rounds alike."""
    values = {}

    def put(reference, value):
        values.setdefault(reference[0], {}).setdefault(reference[1], [value] * 3)

    for budget in budgets.BUDGETS:
        put(budget.of, budget.limit)
    for anchor in budgets.ANCHORS.values():
        put(anchor.of, anchor.there)
    for reference in budgets.references(budgets.NAMES):
        put(reference, 1.0)
    for source, series in changed.items():
        values[source] |= series
    return report.Run(MACHINE, "quick", values, {})


def row(made, what):
    return next(r for r in map(report.row_json, report.rows(made)) if r["what"] == what)


class Report(unittest.TestCase):
    def test_every_budget_has_a_line_with_its_verdict(self):
        text = report.markdown(run())
        for budget in budgets.BUDGETS:
            self.assertIn(f"| {budget.what} ", text)
        self.assertEqual(text.count("**met**") - 1, len(budgets.BUDGETS))  # one explains the word

    def test_columns_line_up(self):
        lines = report.budget_table(run()).splitlines()
        self.assertEqual(len({tuple(i for i, c in enumerate(line) if c == "|") for line in lines}), 1)

    def test_a_miss_is_told_whatever_the_anchor_says(self):
        made = run(anchor_bench={"boost_parse:cpu_time": [1750.0] * 3},
                   pipeline_bench={"metrics_only/manual_time:cpu_ns_per_transaction": [700.0, 600.0, 500.0]})
        told = row(made, "user-space CPU per transaction, metrics only")
        self.assertEqual((told["median"], told["met"], told["scaled_limit"], told["met_scaled"]), (0.6, False, 0.8, True))
        self.assertIn("**not met**", report.markdown(made))

    def test_rows_measured_again(self):
        later = run(switch={"ratio": [0.5] * 3})
        later.machine = MACHINE | {"date": "later"}
        later.values = {"switch": later.values["switch"], "redact_bench": {"redactor/2:bytes_per_second": [2e9] * 3}}
        earlier = run()
        earlier.failed = {"switch": "perf is missing", "tls": "no openssl"}
        made = earlier.with_rows_of(later, ["switch"])
        self.assertEqual(made.failed, {"tls": "no openssl"})
        self.assertEqual(made.of(("redact_bench", "redactor/2:bytes_per_second")), [2e9] * 3)
        self.assertIsNotNone(made.of(("redact_bench", "std_regex/2:bytes_per_second")), "what was not measured again stays")
        switch = next(b for b in budgets.BUDGETS if b.name == "switch")
        self.assertEqual(row(made, switch.what)["median"], 0.5)
        self.assertIn("again: switch", report.markdown(made))
        self.assertEqual(len(report.rows(made)), len(report.rows(run())))
        later.machine = MACHINE | {"cpu": "another"}
        self.assertRaises(SystemExit, run().with_rows_of, later, ["switch"])

    def test_a_rate_scales_the_other_way(self):
        made = run(redact_bench={"re2_one_by_one/2:bytes_per_second": [26.5e6] * 3,
                                 "redactor/2:bytes_per_second": [0.7e9] * 3})
        told = row(made, "redaction, default patterns, 2% hits")
        self.assertAlmostEqual(told["scaled_limit"], 0.6)
        self.assertEqual((told["met"], told["met_scaled"]), (False, True))

    def test_ratios_are_of_one_round(self):
        made = run(http_metrics_bench={"duration_histogram:cpu_time": [5.0, 50.0],
                                       "prometheus_histogram:cpu_time": [10.0, 100.0]})
        duel = next(d for d in budgets.DUELS if d.name == "histogram")
        better = report.paired(made, duel.ours, duel.theirs, duel.is_rate)
        self.assertEqual((better.low, better.median, better.high), (2, 2, 2))

    def test_comparison_tells_noise_from_change(self):
        old = run(start={"seen_s": [0.9, 1.0, 1.1]}, memory={"load": [60.0, 61.0, 62.0]})
        new = run(start={"seen_s": [0.95, 1.05, 1.1]}, memory={"load": [50.0, 51.0, 52.0]})
        lines = report.comparison(old, new).splitlines()
        self.assertIn("within the spread", next(line for line in lines if "first transaction" in line))
        self.assertIn("better", next(line for line in lines if "100,000 paths" in line))

    def test_what_was_not_measured_is_named(self):
        made = run()
        del made.values["tls"]
        made.failed["tls"] = "AssertionError: not within 20 s: sonde sees inside TLS"
        text = report.markdown(made)
        self.assertNotIn("| TLS probe hit,", text)
        self.assertIn("- tls: AssertionError", text)

    def test_it_reads_what_it_writes(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "benchmarks.json"
            run().write(path)
            self.assertEqual(report.markdown(report.Run.read(path)), report.markdown(run()))


if __name__ == "__main__":
    unittest.main()
