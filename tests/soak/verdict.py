"""What counts as a finding, and why that much is allowed."""

import collections
import json
import re
import statistics
import subprocess

from graph import number

# MiB by which the median of the last third may be above that of the second. Neither the ring nor the history is in it,
# and the load makes no series or routes after its first minute, so what is left to grow is what malloc's arenas (one or
# two per thread) keep of queues that were full while a destination was away. In 30 minutes 4 MiB between the middles of
# two thirds are ten minutes, 1.3 million requests: four bytes that leak per request would be found.
MEMORY_SLACK_MIB = 4
# A file being rotated, a connection of a sink, a process being read in /proc: never more at once in the median.
DESCRIPTORS_SLACK = 3
LINKS_SLACK = 1  # the load's TLS is all of one library; whatever else uses TLS on the machine is attached to, too
MAP_SHARE_MOST = 0.5  # the load opens a few dozen connections and processes at a time, and the smallest bound is 64
# Others' traffic on the machine, and the scrape that asks (two connections, see loss_test.py).
NOISE_RECORDS = 10
NOISE_ENTRIES = 8


class Table:
    """Rows that line up; a row whose verdict is not ok is a finding."""

    def __init__(self, *columns):
        self.rows, self.findings = [columns], []

    def add(self, what, *cells, finding=None):
        self.rows.append((what, *cells, "FINDING" if finding else "ok"))
        if finding:
            self.findings.append(f"{what}: {finding}")

    def text(self):
        widths = [max(len(row[at]) for row in self.rows) for at in range(len(self.rows[0]))]
        return "\n".join(" ".join(cell.ljust(width) if at in (0, len(row) - 1) else cell.rjust(width)
                                  for at, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in self.rows)


def growth(values):
    """By how much the median of the last third is above that of the second."""
    third = len(values) // 3
    return statistics.median(values[-third:]) - statistics.median(values[third:-third])


def over_time(samples):
    """What was sampled while the load ran."""
    table = Table("what", "first", "median", "last", "most", "verdict")

    def row(what, values, slack=None, most=None):
        finding = None
        if slack is not None and growth(values) > slack:
            finding = f"grew by {growth(values):.1f} from the second to the last third, {slack} are allowed"
        if most is not None and max(values) > most:
            finding = f"{number(max(values))}, at most {number(most)} are allowed"
        table.add(what, *map(number, (values[0], statistics.median(values), values[-1], max(values))), finding=finding)

    def column(name):
        return [getattr(sample, name) for sample in samples]

    row("resident MiB", column("resident"))
    row("history MiB", column("history"), most=16)  # its bound: agent/history/history.hpp
    row("less history and ring MiB", column("own"), slack=MEMORY_SLACK_MIB)
    row("descriptors", column("descriptors"), slack=DESCRIPTORS_SLACK)
    row("attached programs", column("links"), slack=LINKS_SLACK)
    row("threads", column("threads"), slack=0)
    row("fullest kernel map %", [share * 100 for share in column("map_share")], most=MAP_SHARE_MOST * 100)
    row("connections", column("connections"), slack=NOISE_ENTRIES)
    row("waiting for sinks", column("waiting"))
    row("dropped by sinks", column("dropped"))
    row("records lost", column("lost"))
    return table


def counts(before, after, soak):
    """What the load counted beside what sonde did. A lost record is a missing request at most."""
    table = Table("what", "by the load", "by sonde", "may lack", "verdict")
    lost, unwatched = (int(after.sum(name) - before.sum(name))
                       for name in ("sonde_records_lost_total", "sonde_transactions_unwatched_total"))

    def row(what, truth, name, allowed=lost, **labels):
        seen = int(after.sum(name, **labels) - before.sum(name, **labels))
        table.add(what, number(truth), number(seen), number(allowed),
                  finding=None if 0 <= truth - seen <= allowed else f"{truth} by the load, {seen} by sonde")

    load, servers = soak.load, soak.servers
    requests = {"HTTP/1": (load["HTTP/1"].count, [servers.http1]), "HTTP/2": (load["HTTP/2"].count, [servers.http2]),
                "TLS": (load["TLS"].count, [servers.tls]), "pods": (soak.pods.count, soak.pods.ports),
                "short-lived": (load["short-lived"].count, [servers.short])}
    for what, (truth, ports) in requests.items():
        for side in ("server", "client"):
            seen = sum(int(each.sum(f"http_{side}_request_duration_seconds_count", server_port=str(port)) * sign)
                       for port in ports for each, sign in ((after, 1), (before, -1)))
            # a process that is gone before its cgroup was read is one that the discovery rule does not name
            allowed = lost + (unwatched if (what, side) == ("short-lived", "client") else 0)
            table.add(f"{what}, {side}", number(truth), number(seen), number(allowed),
                      finding=None if 0 <= truth - seen <= allowed else f"{truth} by the load, {seen} by sonde")
    websocket = load["WebSocket"]
    labels = {"side": "server", "server_port": str(servers.websocket)}
    row("WebSocket connections", websocket.count, "sonde_websocket_closed_total", **labels)
    row("WebSocket messages", websocket.messages, "sonde_websocket_messages_total", **labels)
    row("log lines of files", soak.bursts.written, "sonde_tail_records_total", 0)
    row("log records of files", soak.bursts.written, "sonde_log_records_total", 0, service="soak-logs")
    row("reloads, good", soak.reloads.sent["applied"], "sonde_config_reloads_total", 0, result="applied")
    return table


def books(before, after, soak):
    """Findings of the last scrape: the sinks' counts add up, nothing was evicted, no reload went unanswered."""
    found = []
    for sink, each in after.nowhere().items():
        found.append(f"sink {sink}: (offered, taken) that is nowhere: {each}")
    for reason in ("map_full", "read_fault", "decode_invalid"):
        if after.sum("sonde_records_lost_total", reason=reason):
            found.append(f"records lost as {reason}")
    # the load stays within every bound, so all of these are 0
    for name in ("sonde_connections_evicted_total", "sonde_http_overflow_total", "sonde_history_overflow_total",
                 "sonde_resource_lost_total", "sonde_resource_failed_rounds_total", "sonde_resource_unaccounted_total",
                 "sonde_http2_evicted_streams_total", "sonde_tail_bytes_lost_total", "sonde_tail_records_dropped_total",
                 "sonde_system_calls_refused_total", "sonde_kubernetes_overflows_total"):
        if after.sum(name) > before.sum(name):
            found.append(f"{name} is {after.sum(name):.0f}")
    if after.sum("sonde_config_reloads_total", result="rejected") < soak.reloads.sent["rejected"]:
        found.append("a bad configuration was not refused")
    return found


def lines_of(events, stem):
    """Every line of a file and of those that it was rotated to, compressed or not."""
    for path in sorted(events.glob(f"{stem}*.jsonl*")):
        argv = ["zstd", "-dcq", str(path)] if path.suffix == ".zst" else ["cat", str(path)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, errors="replace") as child:
            yield from child.stdout


def files(events, after, soak):
    """Findings in what was written: each line parses, none is missing, none is there twice."""
    found, times, numbers, count = [], *(collections.Counter() for _ in range(3))
    for stem in ("transactions", "logs"):
        for text in lines_of(events, stem):
            count[stem] += 1
            try:
                line = json.loads(text)
            except ValueError:
                found.append(f"{stem}: not JSON: {text[:200]!r}")
                continue
            if line["type"] == "transaction":
                # two streams of one connection may be alike to the nanosecond, anything else may not
                times[hash(text)] += line["protocol"] != "http/2"
            elif line["type"] == "log" and line.get("service") == "soak-logs":
                numbers[int(re.search(r"line=(\d+)", line["message"])[1])] += 1
    for stem, sink in (("transactions", "file"), ("logs", "file_logs")):
        written = after.sum("sonde_sink_records_total", sink=sink)
        if count[stem] < written:
            found.append(f"{stem}: {count[stem]} lines, {written:.0f} were written")
    twice = sum(each > 1 for each in times.values())
    missing, again = set(range(soak.bursts.written)) - set(numbers), sum(each > 1 for each in numbers.values())
    for what, number_of in (("transactions that are there twice", twice), ("log lines that are missing", len(missing)),
                            ("log lines that are there twice", again)):
        if number_of:
            found.append(f"{what}: {number_of}")
    return found[:20], count
