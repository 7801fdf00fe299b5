"""One row: a server, a load, and whether sonde says what they say."""

import collections
import dataclasses
import pathlib
import shutil
import tempfile

from harness import Sonde
from truth.load import LIMITS, LOADS, Exchange
from truth.server import Running, Site


@dataclasses.dataclass
class Row:
    server: str
    load: str
    protocol: str
    tls: bool
    sent: int = 0    # by the client's count
    own: int = 0     # by the server's own count; None: it has none
    sonde: int = 0
    status_equal: bool = False
    bytes_equal: bool = None  # None: neither side counts bytes
    why: str = ""
    known: bool = False  # `why` is a documented limit

    @property
    def verdict(self):
        if self.status_equal and self.bytes_equal is not False:
            return "equal"
        return "limit" if self.known else "DIFFERS"


def difference(truth, seen, limit=4):
    """The first few keys that differ, for a reader: key, count by the truth, count by sonde."""
    keys = [key for key in {**truth, **seen} if truth.get(key, 0) != seen.get(key, 0)]
    words = [f"{'/'.join(str(part) for part in key)}: {truth.get(key, 0)} and {seen.get(key, 0)}"
             for key in sorted(keys, key=str)[:limit]]
    return "; ".join(words) + (f"; {len(keys) - limit} more" if len(keys) > limit else "")


def exchange(transaction):
    return Exchange(transaction["method"], transaction["path"], transaction["status"], transaction["response_bytes"])


def without_bytes(counter):
    counts = collections.Counter()
    for key, count in counter.items():
        counts[tuple(key[:3])] += count
    return counts


def last_of_connections(transactions):
    """Counter of method, path and status of the last transaction of each connection."""
    last = {t["client"]["port"] if t["client"] else None: t for t in transactions}
    return collections.Counter((t["method"], t["path"], t["status"]) for t in last.values())


def only_cut_ones(truth, by_sonde, transactions):
    """The client closed each connection in the middle of a request, and some servers do not log such a request.
    True when that is all that differs: sonde has it, as the last one of its connection."""
    extra = by_sonde - truth
    return not truth - by_sonde and not extra - last_of_connections(transactions)


def of_row(server, site, sonde):
    if server.host is None:
        return sonde.transactions(server.side, site.port)
    return [t for t in sonde.transactions(server.side) if t["host"] == server.host(site)]


def compare(row, sent, logged, transactions, own_bytes_only=False):
    """Fills in what is equal and, where it is not, why."""
    seen = collections.Counter(exchange(t) for t in transactions)
    row.sent, row.own, row.sonde = sent.count, None if logged is None else logged.total(), len(transactions)
    differences = []

    by_sonde = without_bytes(seen)
    truth = by_sonde if logged is None else without_bytes(logged)
    row.status_equal = truth == by_sonde
    if sent.cut and not row.status_equal and only_cut_ones(truth, by_sonde, transactions):
        row.known = True
        differences.append("the server does not log the requests that the client left")
    if not row.status_equal:
        differences.append("server's log and sonde: " + difference(truth, by_sonde))
    if sent.exchanges is not None and without_bytes(sent.exchanges) != by_sonde:
        row.status_equal = False
        differences.append("client and sonde: " + difference(without_bytes(sent.exchanges), by_sonde))
    elif not sent.cut and sent.count != row.sonde:
        row.status_equal = False
        differences.append(f"the client counts {sent.count}")

    if any(key.bytes is not None for key in logged or ()):
        row.bytes_equal = collections.Counter({Exchange(*key): n for key, n in logged.items()}) == seen
        if not row.bytes_equal and row.status_equal:
            differences.append("bytes, server's log and sonde: " + difference(logged, seen))
    if sent.exchanges is not None and not own_bytes_only:
        equal = sent.exchanges == seen
        known = any(key.bytes is not None for key in sent.exchanges)
        if known:
            row.bytes_equal = equal and row.bytes_equal is not False
        if known and not equal and row.status_equal:
            differences.append("bytes, client and sonde: " + difference(sent.exchanges, seen))
    elif sent.response_bytes is not None and not own_bytes_only:
        total = sum(t["response_bytes"] or 0 for t in transactions)
        row.bytes_equal = sent.response_bytes == total and row.bytes_equal is not False
        if sent.response_bytes != total:
            differences.append(f"bytes: the client counts {sent.response_bytes}, sonde {total}")
    row.why = " | ".join(differences)


# What is compared is what was seen: a sink that finds no core for half a second would take a sample, and say so.
CONFIG = """
sampling: {{adaptive: false}}
sinks:
  truth:
    type: file
    queue: {{records: 65536, overflow: block, block: 1s}}
    filter: {{types: [transaction, loss]}}
    file: {{directory: "{}"}}
"""


def start_sonde(directory):
    config = directory / "sonde.yaml"
    config.write_text(CONFIG.format(directory / "events"))
    return Sonde(directory, "--config", str(config), "--ring-kib", "65536", events=False)


def measure(server, load, protocol="http/1.1", tls=False, keep=None):
    """Runs one row and returns it. keep: a directory that stays, with the logs and what sonde wrote."""
    row = Row(server.name, load, protocol, tls)
    limit = server.limits.get(load) or server.limits.get("*") or LIMITS.get((protocol, load))
    directory = pathlib.Path(keep or tempfile.mkdtemp(prefix="sonde-truth-"))
    running = sonde = None
    try:
        site = Site(directory, tls, protocol, server.posts)
        running = Running(server, site)
        sonde = start_sonde(directory)
        sent = LOADS[load](site)
        running.wait_until_logged()
        running.stop()
        if sonde.stop() != 0:
            raise AssertionError("sonde did not end well:\n" + sonde.output())
        compare(row, sent, running.logged(), of_row(server, site, sonde), server.own_bytes_only)
        losses = [line for line in sonde.lines() if line["type"] == "loss" and line["lost"]]
        # of the whole machine: they matter only where this row lacks something
        if losses and row.verdict != "equal":
            row.why += f" | sonde counts as lost: {losses[-1]['lost']}"
    except AssertionError as error:
        limit = None  # it was not measured: no limit explains that
        row.why = " ".join(str(error).split())[-400:]
    finally:
        if running is not None:
            running.stop()
        if sonde is not None:
            sonde.stop()
        if keep is None:
            shutil.rmtree(directory, ignore_errors=True)
    if limit and row.verdict != "equal":
        row.known, row.why = True, f"{limit} ({row.why})"
    return row
