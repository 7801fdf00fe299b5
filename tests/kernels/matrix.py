#!/usr/bin/env python3
"""Boots each kernel, runs sonde beside http_pair in it and holds what sonde says to what http_pair did:
matrix.py SONDE PROGRAMS [--kernels NAME,...] [--refresh] [--record] [--keep DIRECTORY].

PROGRAMS: the directory of http_pair, stream_pair and program_costs. Prints the table of what each kernel gives; ends non-zero where a
number is wrong, a feature that a kernel has is off, or a program costs the verifier a fifth more than was recorded."""

import argparse
import collections
import concurrent.futures
import json
import pathlib
import re
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import archive  # noqa: E402
import cost  # noqa: E402
import guest  # noqa: E402
from harness import metric_sum  # noqa: E402

# What the oldest kernels lack; everything else must be on everywhere.
MISSING = {"5.10": {"bodies_followed", "http2", "http2_deferred", "socket_reads", "connection_ends", "unix_sockets", "process_sockets",
                    "block_latency", "oom_victims", "tls_plaintext", "log_writes"},
           "6.1": {"unix_sockets"}}
RECORDS_IN_RING = 64  # of a ring of 4 KiB

Exchange = collections.namedtuple("Exchange", "path status bytes sent read answered received")


def truth(text):
    """[Exchange] in the order in which they were sent."""
    events = collections.defaultdict(lambda: collections.defaultdict(list))
    order = []
    for line in text.splitlines():
        kind, path, *rest = line.split()
        if kind == "port":
            continue
        if kind == "sent":
            order.append((path, len(events[path]["sent"])))
        events[path][kind].append(rest)
    found = []
    for path, number in order:
        of = {kind: events[path][kind][number] for kind in ("sent", "read", "answered", "received")
              if number < len(events[path][kind])}
        if len(of) < 4:
            continue  # cut off: the number of exchanges is checked
        found.append(Exchange(path, int(of["answered"][0]), int(of["answered"][1]), int(of["sent"][0]),
                              int(of["read"][0]), int(of["answered"][2]), int(of["received"][0])))
    return found


def features(doctor):
    return {match[1]: match[0].startswith("ok") for match in re.finditer(r"^(?:ok|MISSING)\s+(\w+) .*$", doctor, re.M)}


class Verdict:
    def __init__(self):
        self.wrong = []

    def expect(self, good, words):
        if not good:
            self.wrong.append(words)
        return good


def check_exact(verdict, name, sections):
    """Transactions, statuses, bytes and times of the run where nothing is lost. Returns words for the table."""
    exchanges = truth(sections.get("exact.truth", ""))
    lines = [json.loads(line) for line in sections.get("exact.events", "").splitlines() if line.startswith("{")]
    verdict.expect(len(exchanges) == 21, f"http_pair made {len(exchanges)} exchanges, not 21")
    verdict.expect(sections.get("exact.exit", "").strip() == "0", f"sonde ended with {sections.get('exact.exit')}")
    expected = sorted((e.path, e.status, e.bytes) for e in exchanges)
    for side in ("server", "client"):
        seen = sorted((t["path"], t["status"], t["response_bytes"]) for t in lines
                      if t["type"] == "transaction" and t["side"] == side and t["protocol"] == "http/1.1"
                      and t["path"] not in ("/readyz", "/metrics"))
        verdict.expect(seen == expected, f"{side} side: saw {seen}, was {expected}")
    server = [t for t in lines if t["type"] == "transaction" and t["side"] == "server"]
    queue = [t["phases"].get("queue_ns", 0) / 1e6 if "queue" not in t["unobserved"] else None
             for t in server if t["path"] == "/queued/1"]
    if "socket_reads" in MISSING.get(name, ()):
        verdict.expect(all(q is None for q in queue), f"queue {queue} although reads cannot be seen")
        return f"{len(expected)} of {len(exchanges)}", "unobserved"
    real = [(e.read - e.sent) / 1e6 for e in exchanges if e.path == "/queued/1"]
    if verdict.expect(real and len(queue) == len(real) and None not in queue, f"queue {queue}, was {real}"):
        off = abs(statistics.median(queue) - statistics.median(real))
        # emulated, two guests on a busy machine: the sender's own way to the wire is in the difference
        verdict.expect(off < 0.05 * statistics.median(real) + 3, f"queue {queue} ms, was {real} ms")
        return f"{len(expected)} of {len(exchanges)}", f"{statistics.median(queue):.1f} of {statistics.median(real):.1f} ms"
    return "", ""


def check_streams(verdict, name, sections):
    """HTTP/2 requests, each with its status, on both sides. Returns words for the table."""
    answered = re.search(r"^answered (\d+)$", sections.get("exact.streams", ""), re.M)
    if not verdict.expect(answered, f"stream_pair said {sections.get('exact.streams')}"):
        return "?"
    expected = 0 if "http2" in MISSING.get(name, ()) else int(answered[1])
    lines = [json.loads(line) for line in sections.get("exact.events", "").splitlines() if line.startswith("{")]
    for side in ("server", "client"):
        seen = [(t["path"], t["status"]) for t in lines
                if t["type"] == "transaction" and t["side"] == side and t["protocol"] == "http/2"]
        verdict.expect(seen == [("/", 200)] * expected, f"{side} side: saw {len(seen)} streams, {seen[:5]} …, were {expected}")
    return f"{expected} of {answered[1]}"


def check_small(verdict, sections):
    metrics = sections.get("small.metrics", "")
    seen, delivered, lost = (int(metric_sum(metrics, f"sonde_records_{what}_total")) for what in ("seen", "delivered", "lost"))
    verdict.expect(lost > 0, "a ring of 4 KiB lost nothing")
    verdict.expect(0 <= seen - delivered - lost <= RECORDS_IN_RING, f"{seen} seen, {delivered} delivered, {lost} lost")
    return f"{seen} = {delivered} + {lost} + {seen - delivered - lost} in the ring"


def run(name, kernel, image, keep):
    verdict = Verdict()
    sections = guest.boot(kernel, image)
    if keep:
        (keep / f"{name}.txt").write_text("".join(f"== {section}\n{text}" for section, text in sections.items()))
    row = {"kernel": sections.get("version", "did not boot").strip(), "transactions": "", "streams": "", "queue": "", "loss": ""}
    last, text = next(reversed(sections.items()), ("none", ""))
    if verdict.expect("end" in sections, f"the guest did not come to its end within {guest.TIMEOUT_S} s; its output stops in "
                                         f"{last}: …{text[-300:]}"):
        have = features(sections["doctor"])
        off = {feature for feature, on in have.items() if not on}
        verdict.expect(have and off == MISSING.get(name, set()), f"features off: {off or have}\n{sections['doctor']}")
        row["off"] = " ".join(sorted(off)) or "-"
        row["transactions"], row["queue"] = check_exact(verdict, name, sections)
        row["streams"] = check_streams(verdict, name, sections)
        row["loss"] = check_small(verdict, sections)
        row["release"], row["costs"] = cost.release(row["kernel"]), cost.of(sections["exact.programs"])
    return row, verdict.wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sonde")
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("--kernels", default=",".join(archive.WANTED))
    parser.add_argument("--refresh", action="store_true", help="fetch the archive's present kernels again")
    parser.add_argument("--record", action="store_true", help="take what the programs cost the verifier for what is right")
    parser.add_argument("--keep", type=pathlib.Path, help="a directory for all that each guest printed")
    options = parser.parse_args()
    names = options.kernels.split(",")
    kernels = archive.kernels(names, options.refresh)
    with tempfile.TemporaryDirectory() as directory:
        image = pathlib.Path(directory) / "initramfs"
        guest.initramfs(image, options.sonde, [options.programs / name for name in ("http_pair", "stream_pair", "program_costs")])
        with concurrent.futures.ThreadPoolExecutor(2) as guests:  # as many as CI has cores
            results = list(guests.map(lambda name: run(name, kernels[name], image, options.keep), names))
    print(f"{'kernel':34} {'features off':28} {'transactions':12} {'HTTP/2':9} {'queue of real':20} {'verified instructions':36} "
          "loss in a ring of 4 KiB")
    for row, _ in results:
        print(f"{row['kernel']:34} {row.get('off', '?'):28} {row['transactions']:12} {row['streams']:9} {row['queue']:20} "
              f"{cost.words(row.get('costs')):36} {row['loss']}")
    costs = {row["release"]: row["costs"] for row, _ in results if row.get("costs")}
    if options.record:
        cost.record(costs)
    for row, wrong in results:
        if row.get("costs"):
            wrong += cost.jumps(row["release"], row["costs"])
    for name, (_, wrong) in zip(names, results):
        for words in wrong:
            print(f"{name}: {words}", file=sys.stderr)
    sys.exit(any(wrong for _, wrong in results))


if __name__ == "__main__":
    main()
