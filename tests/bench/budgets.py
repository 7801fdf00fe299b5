"""Every budget of the design with the benchmark that measures it, what stands beside it, and what says how quick the
machine is. A reference is (source, series): a benchmark of SOURCES in run.py, or a program of Google Benchmark's."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Unit:
    name: str
    digits: int
    scale: float = 1  # from what is measured to what is shown

    def text(self, value):
        number = f"{value * self.scale:,.{self.digits}f}"
        if self.name == "x":
            return f"x{number}"
        return f"{number}{'' if self.name in ('', '%') else ' '}{self.name}"


RATIO = Unit("x", 3)
PERCENT = Unit("%", 0, 100)
US, US_OF_NS, NS = Unit("µs", 2), Unit("µs", 2, 1e-3), Unit("ns", 0)
MILLIONS, MB_S, GB_S = Unit("M/s", 2, 1e-6), Unit("MB/s", 0), Unit("GB/s", 3, 1e-9)
CPU_S_GB, MIB, S, COUNT = Unit("CPU s/GB", 3), Unit("MiB", 1), Unit("s", 2), Unit("", 0)


@dataclasses.dataclass(frozen=True)
class Anchor:
    """Work of others whose cost is known from the machine on which the absolute budgets were set."""

    what: str
    of: tuple
    unit: Unit
    there: float
    is_rate: bool = False

    def slowness(self, median):
        """How many times slower than there this machine is."""
        return self.there / median if self.is_rate else median / self.there


@dataclasses.dataclass(frozen=True)
class Beside:
    what: str
    of: tuple
    unit: Unit = None  # the budget's


@dataclasses.dataclass(frozen=True)
class Budget:
    name: str  # on the command line; several may share it
    what: str
    of: tuple
    unit: Unit
    limit: float
    is_least: bool = False
    written: str = ""  # the budget as the design writes it, where the limit alone would not say it
    anchor: str = ""
    beside: tuple = ()

    def met(self, value, limit=None):
        limit = self.limit if limit is None else limit
        return value >= limit if self.is_least else value <= limit

    def text(self):
        return self.written or f"{'≥' if self.is_least else '≤'} {self.unit.text(self.limit)}"


@dataclasses.dataclass(frozen=True)
class Duel:
    """Ours against what one would take instead, in the same rounds."""

    name: str
    what: str
    ours: tuple
    instead: str
    theirs: tuple
    unit: Unit
    is_rate: bool = False


ANCHORS = {
    "parse": Anchor("Boost.JSON parses a log line of 335 B", ("anchor_bench", "boost_parse:cpu_time"), NS, 875),
    "serialize": Anchor("Boost.JSON makes and serializes an event of 600 B", ("anchor_bench", "boost_serialize:cpu_time"), NS,
                        1562),
    "re2": Anchor("RE2, one pattern after the other, 2% hits", ("redact_bench", "re2_one_by_one/2:bytes_per_second"),
                  Unit("MB/s", 1, 1e-6), 53e6, is_rate=True),
    "uprobe": Anchor("uprobe that does nothing, on a nop of 5 B", ("uprobe_bench", "probed:cpu_time"), NS, 470),
    "write": Anchor("write(2) for each line", ("file_sink", "write.cpu_s_per_gb"), CPU_S_GB, 2.46),
    "fio": Anchor("fio, direct, 1 MiB, 16 deep", ("file_sink", "fio.mb_per_s"), MB_S, 2400, is_rate=True),
}

PIPELINE = "everything_and_file/manual_time"
METRICS_ONLY = "metrics_only/manual_time"

BUDGETS = (
    Budget("nginx", "CPU per request of saturated nginx, 1 KiB", ("nginx", "sonde.cpu_ratio"), RATIO, 1.05,
           beside=(Beside("requests/s", ("nginx", "sonde.rate_ratio")),
                   Beside("records lost", ("nginx", "sonde.lost"), COUNT),
                   Beside("sonde's hooks, empty", ("nginx", "hooks.cpu_ratio")),
                   Beside("sending bare records", ("nginx", "records.cpu_ratio")),
                   Beside("a neighbour that takes the pipeline's time", ("nginx", "neighbour.cpu_ratio")),
                   Beside("a tracer of system calls", ("nginx", "tracer.cpu_ratio")),
                   Beside("its requests/s", ("nginx", "tracer.rate_ratio")))),
    Budget("application", "CPU per request of an application of 1 ms", ("application", "sonde.cpu_ratio"), RATIO, 1.01,
           beside=(Beside("requests/s", ("application", "sonde.rate_ratio")),)),
    Budget("syscall", "an unrelated system call (getppid)", ("syscall", "sonde.unwatched.getppid"), RATIO, 1.005,
           written="x1.00 (below x1.005)",
           beside=(Beside("of a watched process", ("syscall", "sonde.watched.getppid")),
                   Beside("a tracer of system calls", ("syscall", "tracer.unwatched.getppid")))),
    Budget("switch", "unrelated calls that switch threads (a byte over a pipe)", ("switch", "ratio"), RATIO, 1.005,
           written="x1.00 (below x1.005)"),
    Budget("pipeline", "user-space CPU per transaction, metrics only",
           ("pipeline_bench", f"{METRICS_ONLY}:cpu_ns_per_transaction"), US_OF_NS, 400, anchor="parse"),
    Budget("pipeline", "CPU per transaction, all features, file sink", ("pipeline_bench", f"{PIPELINE}:cpu_ns_per_transaction"),
           US_OF_NS, 1000, anchor="parse"),
    Budget("pipeline", "records on one core, whole pipeline", ("pipeline_bench", f"{PIPELINE}:records_per_cpu_s"), MILLIONS,
           1e6, is_least=True, anchor="parse",
           beside=(Beside("metrics only", ("pipeline_bench", f"{METRICS_ONLY}:records_per_cpu_s")),)),
    Budget("file-sink", "file sink, share of fio's direct rate", ("file_sink", "sonde.of_fio"), PERCENT, 0.85, is_least=True,
           beside=(Beside("write(2) for each line", ("file_sink", "write.of_fio")),)),
    Budget("file-sink", "file sink, CPU", ("file_sink", "sonde.cpu_s_per_gb"), CPU_S_GB, 0.15, anchor="write",
           beside=(Beside("write(2) for each line", ("file_sink", "write.cpu_s_per_gb")),
                   Beside("fio with its start", ("file_sink", "fio.cpu_s_per_gb")),
                   Beside("with the encoder", ("file_sink", "sink.cpu_s_per_gb")))),
    Budget("redaction", "redaction, default patterns, 2% hits", ("redact_bench", "redactor/2:bytes_per_second"), GB_S, 1.2e9,
           is_least=True, anchor="re2",
           beside=(Beside("RE2::Set, then RE2", ("redact_bench", "re2_set_then_replace/2:bytes_per_second")),
                   Beside("RE2 one by one", ("redact_bench", "re2_one_by_one/2:bytes_per_second")),
                   Beside("std::regex", ("redact_bench", "std_regex/2:bytes_per_second")))),
    Budget("log-lines", "log lines (JSON) parsed, redacted, joined", ("log_join_bench", "join/1/1:items_per_second"),
           MILLIONS, 1e6, is_least=True, anchor="parse",
           beside=(Beside("Python's logging", ("log_join_bench", "join/0/1:items_per_second")),
                   Beside("logfmt", ("log_join_bench", "join/2/1:items_per_second")),
                   Beside("a file through the whole agent", ("rsyslog", "sonde.lines_per_cpu_s")))),
    Budget("tls", "TLS probe hit, mean of entry and return", ("tls", "hit_ns"), US_OF_NS, 750, anchor="uprobe",
           beside=(Beside("a uprobe that does nothing", ("uprobe_bench", "probed:cpu_time")),
                   Beside("a call without sonde", ("tls", "call_us_off"), US))),
    Budget("memory", "resident at rest", ("memory", "rest"), MIB, 64),
    Budget("memory", "resident under 100,000 paths", ("memory", "load"), MIB, 64,
           beside=(Beside("of it the ring", ("memory", "ring")),)),
    Budget("start", "start to first transaction seen", ("start", "seen_s"), S, 1,
           beside=(Beside("to the first answer", ("start", "answered_s")),)),
)

DUELS = (
    Duel("nginx", "CPU added to a request of nginx", ("nginx", "sonde.extra_us"), "a tracer of system calls",
         ("nginx", "tracer.extra_us"), US),
    Duel("log-lines", "lines of a file per CPU second", ("rsyslog", "sonde.lines_per_cpu_s"), "rsyslog, mmjsonparse",
         ("rsyslog", "rsyslog.lines_per_cpu_s"), Unit("/s", 0), is_rate=True),
    Duel("histogram", "a duration into a histogram", ("http_metrics_bench", "duration_histogram:cpu_time"),
         "prometheus-cpp's Histogram", ("http_metrics_bench", "prometheus_histogram:cpu_time"), Unit("ns", 1)),
    Duel("encoder", "a transaction's JSON line", ("event_json_bench", "appending:cpu_time"), "Boost.JSON's serializer",
         ("event_json_bench", "boost_json:cpu_time"), NS),
    Duel("file-sink", "lines of 512 B to disk", ("file_sink", "sonde.mb_per_s"), "write(2) for each",
         ("file_sink", "write.mb_per_s"), MB_S, is_rate=True),
    Duel("file-sink", "bytes to disk", ("file_sink", "sonde.mb_per_s"), "fio, direct", ("file_sink", "fio.mb_per_s"), MB_S,
         is_rate=True),
    Duel("redaction", "log lines redacted, 2% hits", ("redact_bench", "redactor/2:bytes_per_second"), "RE2::Set, then RE2",
         ("redact_bench", "re2_set_then_replace/2:bytes_per_second"), GB_S, is_rate=True),
)

NAMES = tuple(dict.fromkeys(row.name for row in (*BUDGETS, *DUELS)))


def references(names):
    """Every (source, series) that rows of these names show."""
    out = []
    for budget in BUDGETS:
        if budget.name in names:
            out += [budget.of, *(beside.of for beside in budget.beside)]
            if budget.anchor:
                out.append(ANCHORS[budget.anchor].of)
    for duel in DUELS:
        if duel.name in names:
            out += [duel.ours, duel.theirs]
    if set(names) == set(NAMES):
        out += [anchor.of for anchor in ANCHORS.values()]
    return list(dict.fromkeys(out))
