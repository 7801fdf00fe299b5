"""One point of the simulation: runs it in a process of its own, reads what /metrics answered, holds both together."""

import collections
import json
import os
import pathlib
import re
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("SCALE_SIMULATION", ROOT / "build" / "release" / "tests" / "scale_simulation"))
SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^#]*?)\})? ([-+.\deEINFinf]+)(?: |$)")
SHAPE = ("rate", "seconds", "services", "routes", "connections", "processes", "alive")
MIB = 1024 * 1024


class Mismatch(Exception):
    """What was counted is not what was done."""


def metric_sums(lines):
    """{family, and family{label="value"} for each label: sum}, number of samples."""
    sums, samples = collections.Counter(), 0
    for line in lines:
        if line.startswith("#"):
            continue
        samples += 1
        if "_bucket{" in line or not (found := SAMPLE.match(line)):
            continue
        name, labels, value = found[1], found[2], float(found[3])
        sums[name] += value
        if name.startswith("sonde_"):
            for label in re.findall(r'[a-z_0-9]+="[^"]*"', labels or ""):
                sums[f"{name}{{{label}}}"] += value
    return sums, samples


def read_metrics(path):
    with open(path, encoding="utf-8") as lines:
        sums, samples = metric_sums(lines)
    count = sums.__getitem__
    return {
        "series": samples,
        "metrics_mib": path.stat().st_size / MIB,
        "transactions": count("sonde_transactions_total"),
        "server_transactions": count('sonde_transactions_total{side="server"}'),
        "in_histograms": count("http_server_request_duration_seconds_count") +
                         count("http_client_request_duration_seconds_count"),
        "label_sets": count("sonde_http_label_sets"),
        "in_label_overflow": count("sonde_http_overflow_total"),
        "records_lost": count("sonde_records_lost_total"),
        "connections": count("sonde_connections"),
        "connections_evicted": count("sonde_connections_evicted_total"),
        "responses_unmatched": count("sonde_responses_unmatched_total"),
        "responses_lost": count("sonde_responses_lost_total"),
        "links_evicted": count("sonde_parent_links_evicted_total"),
        "lines_joined": count("sonde_log_lines_joined_total"),
        "lines_without_request": count('sonde_log_lines_joined_total{match="none"}'),
        "lines_early": count("sonde_log_lines_early_total"),
        "transactions_early": count("sonde_log_transactions_early_total"),
        "requests_untracked": count("sonde_log_requests_untracked_total"),
        "history_mib": count("sonde_history_bytes") / MIB,
        "history_endpoints": count("sonde_history_endpoints"),
        "in_history_overflow": count("sonde_history_overflow_total"),
        "history_seconds_evicted": count('sonde_history_slots_evicted_total{step="1s"}'),
        "history_tens_evicted": count('sonde_history_slots_evicted_total{step="10s"}'),
        "history_minutes_evicted": count('sonde_history_slots_evicted_total{step="60s"}'),
        "history_late": count("sonde_history_late_handovers_total"),
        "written": count("sonde_sink_records_total") - count("sonde_sink_failed_records_total"),
        "queue_dropped": count("sonde_queue_dropped_total"),
        "held_back": count("sonde_sampling_sink_dropped_total"),
        "sampled_out": count("sonde_sampling_dropped_total"),
    }


def check(values, shape):
    """Every request is in the metrics, in a histogram, and written, or a counter says why it is not."""
    def same(what, left, right):
        if left != right:
            raise Mismatch(f"{what}: {left:.0f} and {right:.0f}, with {shape}")
    same("requests made and answered", values["requests"], values["answers"])
    # who waited for a free connection at the end was never sent
    if values["requests_delayed"] == 0:
        same("requests wanted and made", shape["rate"] * shape["seconds"], values["requests"])
    same("processes wanted and started", max(shape["processes"], shape["services"]), values["processes_started"])
    same("records lost", values["records_lost"], 0)
    same("transactions and requests, but for those whose connection was evicted under way", values["transactions"],
         values["requests"] - values["responses_unmatched"])
    if values["responses_unmatched"] > values["connections_evicted"]:
        raise Mismatch(f"{values['responses_unmatched']:.0f} responses found no request, with {shape}")
    same("transactions and what the histograms hold", values["transactions"], values["in_histograms"])
    same("transactions and what became of them at the sink", values["transactions"],
         values["written"] + values["queue_dropped"] + values["held_back"] + values["sampled_out"])
    same("lines written and joined or known to have no request", values["lines"], values["lines_joined"])
    same("seconds that the history was late", values["history_late"], 0)


def missing(values, what, step_s, kept_s, seconds):
    """Which part of what the history is meant to keep had to go; the last two seconds are the rest after the traffic."""
    expected = min(kept_s - 2, seconds) // step_s
    evicted = values[f"history_{what}_evicted"] > 0
    return max(0.0, 1 - values[f"{what}_held"] / expected) if evicted and expected else 0.0


def derive(values, shape):
    """What the tables show."""
    requests, seconds = values["requests"], shape["seconds"]
    whole_s = values["pipeline_cpu_s"] + values["history_cpu_s"] + values["sink_cpu_s"]
    return {
        "pipeline_us": values["pipeline_cpu_s"] / requests * 1e6,
        "whole_us": whole_s / requests * 1e6,
        "pipeline_core": values["pipeline_cpu_s"] / seconds,
        "whole_core": whole_s / seconds,
        "tables_mib": values["resident_mib"] - values["bare_mib"],
        "seconds_missing": missing(values, "seconds", 1, 300, seconds),
        "tens_missing": missing(values, "tens", 10, 3600, seconds),
        "minutes_missing": missing(values, "minutes", 60, 3600, seconds),
        "scrape_mib": max(0.0, values["scraped_peak_mib"] - values["resident_mib"]),
    }


def measure(shape, settings=None):
    """shape: every key of SHAPE. settings: of the agent, by key."""
    with tempfile.TemporaryDirectory(prefix="sonde-scale-") as directory:
        metrics = pathlib.Path(directory) / "metrics.txt"
        arguments = [f"{key}={shape[key]}" for key in SHAPE]
        arguments += [f"set.{key}={value}" for key, value in (settings or {}).items()]
        done = subprocess.run([str(PROGRAM), str(metrics), *arguments], stdout=subprocess.PIPE, text=True, check=True)
        values = json.loads(done.stdout) | read_metrics(metrics)
    check(values, shape)
    return values | derive(values, shape)
