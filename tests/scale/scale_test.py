#!/usr/bin/env python3
"""The simulation in short, a point at the far end of each axis: every request is where it has to be. And what the report
says of made-up figures."""

import json
import pathlib
import tempfile
import unittest

from axes import AXES, BASE, BOUNDS, Axis
import scale_report
from simulation import Mismatch, check, measure, metric_sums

SHORT = BASE | {"rate": 2000, "seconds": 3}


class Simulation(unittest.TestCase):
    """measure() raises where the counts do not add up."""

    def test_as_it_comes_no_bound_is_reached(self):
        values = measure(SHORT)
        self.assertEqual(scale_report.full(values), [])
        self.assertEqual(values["connections"], BASE["connections"])
        self.assertEqual(values["lines_without_request"], 0)

    def test_more_connections_than_the_table_takes(self):
        values = measure(SHORT | {"rate": 12_000, "connections": 34_000})
        self.assertEqual(values["connections"], 32_768)
        self.assertGreater(values["connections_evicted"], 0)

    def test_more_routes_than_the_budget(self):
        values = measure(SHORT | {"rate": 4000, "routes": 50_000})
        self.assertGreater(values["in_route_overflow"], 0)
        self.assertLessEqual(values["label_sets"], 10_000)

    def test_settings_reach_the_agent(self):
        values = measure(SHORT | {"routes": 50_000}, {"routes.max": "20", "sampling.head_rate": "0.1"})
        self.assertGreater(values["in_route_overflow"], values["transactions"] * 0.9)
        self.assertGreater(values["sampled_out"], 0)

    def test_more_services_than_names(self):
        self.assertGreater(measure(SHORT | {"services": 2500})["in_service_overflow"], 0)

    def test_processes_that_come_and_end(self):
        self.assertEqual(measure(SHORT | {"processes": 5000, "alive": 500})["processes_started"], 5000)

    def test_more_requests_than_meet_their_lines(self):
        self.assertGreater(measure(SHORT | {"rate": 40_000, "seconds": 1})["requests_untracked"], 0)


class Check(unittest.TestCase):
    def test_a_transaction_too_few_is_told(self):
        values = measure(SHORT | {"seconds": 1})
        with self.assertRaisesRegex(Mismatch, "transactions and requests"):
            check(values | {"transactions": values["transactions"] - 1}, SHORT | {"seconds": 1})

    def test_sums_of_a_scrape(self):
        sums, samples = metric_sums(['# TYPE a counter', 'sonde_a_total{x="1",y="2"} 3', 'sonde_a_total{x="2",y="2"} 4.0',
                                     'http_b_bucket{le="1.0"} 7 # {trace_id="a"} 0.5', 'http_b_count 9', '# EOF'])
        self.assertEqual(samples, 4)
        self.assertEqual((sums["sonde_a_total"], sums['sonde_a_total{x="1"}'], sums["http_b_count"]), (7, 3, 9))


def figures(**changed):
    keys = ("pipeline_us", "whole_us", "pipeline_core", "whole_core", "tables_mib", "scrape_mib", "scrape_cpu_ms", "series",
            "metrics_mib", "requests", "transactions", "server_transactions", "lines", "processes_started")
    return dict.fromkeys(keys, 1.0) | {bound.value: 0 for bound in BOUNDS} | changed


class Report(unittest.TestCase):
    def run_of(self, name, points, knobs=()):
        return scale_report.Run({"date": "2026-01-02"}, "full", {name: points}, list(knobs))

    def test_the_knee_is_where_the_counter_begins(self):
        run = self.run_of("rate", {1: figures(), 10: figures(requests_untracked=0.25), 100: figures(requests_untracked=0.5)})
        text = scale_report.markdown(run)
        self.assertIn("**untracked** at 10, not yet at 1: 25% of", text)
        self.assertIn(", 50% at 100. A shorter `logs.late`", text)

    def test_nothing_is_said_of_what_did_not_happen(self):
        text = scale_report.markdown(self.run_of("routes", {1: figures(), 10: figures()}))
        self.assertIn("No bound was reached.", text)
        for bound in BOUNDS:
            self.assertNotIn(f"**{bound.short}**", text)

    def test_a_full_core_is_told_where_it_fills(self):
        text = scale_report.markdown(self.run_of("rate", {1: figures(pipeline_core=0.1), 9: figures(pipeline_core=1.2)}))
        self.assertIn("core is full at 9:", text)

    def test_a_busy_machine_is_told(self):
        for load, told in (("0.2 0.1 0.1", False), ("3.0 2.0 1.0", True)):
            run = scale_report.Run({"cores": "2", "load before": load}, "full", {}, [])
            self.assertEqual("busy with other things" in scale_report.markdown(run), told)

    def test_a_run_that_was_written_is_read_again(self):
        knob = {"axis": "rate", "at": 1, "settings": {"logs.late": "50ms"}, "bounds": ["requests_untracked"],
                "values": figures()}
        run = self.run_of("rate", {1: figures(requests_untracked=0.5)}, [knob])
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "scale.json"
            run.write(path)
            json.loads(path.read_text())
            again = scale_report.Run.read(path)
        self.assertEqual(scale_report.markdown(again), scale_report.markdown(run))
        self.assertIn("untracked 50% → 0%", scale_report.markdown(again))

    def test_knobs_are_turned_where_there_is_a_point(self):
        for axis in AXES.values():
            self.assertIsInstance(axis, Axis)
            for knob in axis.knobs:
                self.assertIn(knob.at, axis.points)
                self.assertLessEqual(set(knob.bounds), {bound.value for bound in BOUNDS})


if __name__ == "__main__":
    unittest.main()
