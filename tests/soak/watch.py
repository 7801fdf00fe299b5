"""Samples of the agent: its memory, descriptors, threads, maps, counters, and what it says."""

import collections
import contextlib
import ctypes
import dataclasses
import os
import pathlib
import re
import struct
import threading
import time

from harness import fetch
from memory import memory
from reload_test import SAYS
from turns import Turns

SINK_PARTS = ("delivered", "diverted", "skipped", "dropped")


def descriptors(pid):
    """What each descriptor is of."""
    names = []
    for each in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.append(os.readlink(each))
    return names


class Scrape:
    """One reading of /metrics, for many questions."""

    LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$", re.M)

    def __init__(self, text):
        self.text = text
        self.samples = collections.defaultdict(list)
        for name, labels, value in self.LINE.findall(text):
            self.samples[name].append((labels, float(value)))

    def sum(self, name, **labels):
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(value for have, value in self.samples[name]
                   if all(each in re.split(r',(?=\w+=")', have) for each in wanted))

    def values(self, name, label):
        """The label's values."""
        return sorted({re.search(rf'\b{label}="([^"]*)"', labels)[1] for labels, _ in self.samples[name]})

    def balance(self):
        """{record: number on the way}: seen, less delivered and lost; negative: counted twice."""
        return {record: int(self.sum("sonde_records_seen_total", record=record)
                            - self.sum("sonde_records_delivered_total", record=record)
                            - self.sum("sonde_records_lost_total", record=record))
                for record in self.values("sonde_records_seen_total", "record")}

    def nowhere(self):
        """{sink: (offered, taken) that is nowhere} by docs/sinks.md, of those sinks whose counts do not add up."""
        result = {}
        for sink in self.values("sonde_sink_records_total", "sink"):
            queue = {"queue": f"sink/{sink}"}
            taken = self.sum("sonde_sink_records_total", sink=sink)
            # samples are made by the sink, nobody offers them
            offered = 0 if sink == "samples" else self.sum("sonde_queue_offered_total", **queue) - taken - sum(
                self.sum(f"sonde_queue_{part}", **queue) for part in ("filtered_total", "dropped_total", "size"))
            parts = [f"sonde_sink_{part}_records_total" for part in SINK_PARTS]
            parts += [f"sonde_sink_{part}_records" for part in ("pending", "spooled")]
            known = any(labels for name in parts for labels in self.samples[name] if f'sink="{sink}"' in labels[0])
            nowhere = taken + self.sum("sonde_sink_recovered_records_total", sink=sink) - sum(
                self.sum(name, sink=sink) for name in parts)
            if offered or (known and nowhere):
                result[sink] = int(offered), int(nowhere)
        return result

    def waiting(self):
        """What is under way: nothing of it when all has been written out."""
        names = ("sonde_log_lines_waiting", "sonde_log_transactions_held", "sonde_websocket_connections")
        sinks = [sink for sink in self.values("sonde_sink_records_total", "sink") if sink != "samples"]
        return {**{name: self.sum(name) for name in names},
                **{f"queue of {sink}": self.sum("sonde_queue_size", queue=f"sink/{sink}") for sink in sinks},
                **{f"{part} of {sink}": self.sum(f"sonde_sink_{part}_records", sink=sink)
                   for sink in sinks for part in ("pending", "spooled")}}


class HashMaps:
    """How full the hash maps of the agent's kernel programs are, as bpf(2) tells: nobody else counts their entries."""

    SYSCALL, NEXT_KEY, FD_BY_ID, INFO = 321, 4, 14, 15  # bpf(2) of x86-64 and its commands
    KINDS = (1, 5)  # BPF_MAP_TYPE_HASH, PERCPU_HASH: those of LRU are full by design

    def __init__(self, pid):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.maps = {}  # name: (fd, key bytes, bound)
        ids = set()
        for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
            ids.update(re.findall(r"^map_id:\s+(\d+)$", info.read_text(), re.M))
        for each in ids:
            fd = self.bpf(self.FD_BY_ID, struct.pack("III", int(each), 0, 0))
            info = ctypes.create_string_buffer(88)
            self.bpf(self.INFO, struct.pack("IIQ", fd, len(info), ctypes.addressof(info)))
            kind, _, key, _, bound, _, name = struct.unpack_from("IIIIII16s", info)
            if kind in self.KINDS:
                self.maps[name.rstrip(b"\0").decode()] = (fd, key, bound)
            else:
                os.close(fd)

    def bpf(self, command, attributes):
        buffer = ctypes.create_string_buffer(attributes.ljust(120, b"\0"), 120)
        result = self.libc.syscall(self.SYSCALL, command, buffer, 120)
        if result < 0:
            raise OSError(ctypes.get_errno(), f"bpf({command})")
        return result

    def entries(self):
        """{name: (entries, bound)}"""
        return {name: (min(self.count(fd, key, bound), bound), bound) for name, (fd, key, bound) in self.maps.items()}

    def count(self, fd, key_bytes, bound):
        previous, following = None, ctypes.create_string_buffer(key_bytes)
        for number in range(bound + 1):
            where = ctypes.addressof(previous) if previous else 0
            try:
                self.bpf(self.NEXT_KEY, struct.pack("IIQQ", fd, 0, where, ctypes.addressof(following)))
            except FileNotFoundError:
                return number
            previous = ctypes.create_string_buffer(following.raw, key_bytes)
        return bound  # somebody deletes while we walk: it began anew

    def close(self):
        for fd, *_ in self.maps.values():
            os.close(fd)


class Words(Turns):
    """What the agent says: its answers to reloads are counted; what nobody expects is kept."""

    EXPECTED = re.compile("|".join((
        r"^note: \d+ other sondes? ",
        r"^sonde \S+ watches this machine; ",
        r"^transactions go to ",
        r"^sonde: sink (spooled|hasty|samples): (recovered|.*; records wait)$",
        r"^sonde: sink hasty: \d+ records are lost \(expired\)",  # it has no spool
        r"^$|^SERVICE  | (in|out) +[\d.]+ ",  # the table of what is going on
        r"^sonde stopped: \d+ transactions, ",
        r"^\S+/sonde\.yaml:\d+:\d+: ",  # what is wrong with a bad configuration
    )))

    def __init__(self, path):
        super().__init__(0.05)
        self.reloads, self.unexpected = collections.Counter(), []
        self.file = open(path, encoding="utf-8", errors="replace")
        self.part = ""

    def turn(self):
        *lines, self.part = (self.part + self.file.read()).split("\n")
        for line in lines:
            answers = [result for result, words in SAYS.items() if words.search(line)]
            self.reloads.update(answers)
            if not answers and not self.EXPECTED.search(line):
                self.unexpected.append(line)

    def stop(self):
        super().stop()
        if not self.file.closed:
            self.turn()
            self.file.close()


@dataclasses.dataclass
class Sample:
    """One look. Memory in MiB."""

    second: float
    resident: float
    own: float  # resident, less the ring's pages and the history: both fill up to their bounds by right
    history: float
    descriptors: int
    links: int  # descriptors of attached programs: one set for each TLS library and program in use
    threads: int
    cpu_s: float
    seen: float
    lost: float
    requests: float
    connections: float
    waiting: float  # in sinks' queues, memory and spools
    dropped: float
    map_share: float  # of the fullest kernel map
    fullest: str


class Watch(threading.Thread):
    """A sample every interval_s seconds, and what must hold at any time."""

    def __init__(self, sonde, interval_s, tell=lambda sample: None):
        super().__init__(daemon=True)
        self.sonde, self.interval_s, self.tell = sonde, interval_s, tell
        self.maps, self.samples, self.findings, self.over = HashMaps(sonde.pid), [], [], threading.Event()
        self.began = time.monotonic()

    def scrape(self):
        return Scrape(self.sonde.metrics())

    def look(self):
        pid = self.sonde.pid
        scrape = self.scrape()
        resident, _, ring, _ = memory(pid)
        history = scrape.sum("sonde_history_bytes") / 2**20
        share, fullest = max((entries / bound, name) for name, (entries, bound) in self.maps.entries().items())
        waiting = scrape.waiting()
        open_now = descriptors(pid)
        links = sum(name.endswith("bpf_link") for name in open_now)
        self.samples.append(Sample(
            time.monotonic() - self.began, resident, resident - ring - history, history,
            len(open_now) - links, links, len(os.listdir(f"/proc/{pid}/task")),
            scrape.sum("sonde_process_cpu_seconds_total"),
            scrape.sum("sonde_records_seen_total"), scrape.sum("sonde_records_lost_total"),
            scrape.sum("http_server_request_duration_seconds_count"), scrape.sum("sonde_connections"),
            sum(value for name, value in waiting.items() if " of " in name),
            scrape.sum("sonde_queue_dropped_total") + scrape.sum("sonde_sink_dropped_records_total"), share, fullest))
        fetch(f"http://127.0.0.1:{self.sonde.port}/healthz")  # another status than 200 is an error
        for record, number in scrape.balance().items():
            if number < 0:
                self.findings.append(f"more {record} records delivered and lost than seen: {-number}")
        # the numbers are read one after the other: what passes meanwhile is in some of them only, and not the next time
        wrong = scrape.nowhere()
        for _ in range(5):
            if wrong:
                again = self.scrape().nowhere()
                wrong = {sink: again[sink] for sink in wrong if sink in again}
        self.findings += [f"under load, sink {sink}: (offered, taken) that is nowhere: {each}"
                          for sink, each in wrong.items()]
        self.tell(self.samples[-1])

    def run(self):
        try:
            while not self.over.wait(self.interval_s):
                self.look()
        except Exception as error:
            self.findings.append(f"the agent could not be looked at: {type(error).__name__}: {error}")

    def stop(self):
        self.over.set()
        if self.ident is not None:
            self.join(60)

    def close(self):
        self.stop()
        self.maps.close()
