"""What varies, what stands in the way, and what moves it."""

import dataclasses

BASE = {"rate": 200, "seconds": 3600, "services": 20, "routes": 200, "connections": 2000, "processes": 100, "alive": 1000}
# Enough for every table that empties by itself to have filled: but for the history, nothing remembers longer than a second.
STEADY_REQUESTS = 2_000_000
STEADY_SECONDS = 10


@dataclasses.dataclass(frozen=True)
class Bound:
    """A table or queue that is full, as a counter tells."""
    value: str  # of a point
    of: str  # what it is a share of; "1": it is a share; "": it is a number
    short: str
    what: str
    knob: str


BOUNDS = (
    Bound("in_route_overflow", "transactions", "route {overflow}", "of the transactions are in the route `{overflow}`",
          "`routes.max` and `routes.max_per_service` move it"),
    Bound("in_label_overflow", "transactions", "label sets full",
          "of the transactions are in the one label set for what is beyond 10,000 of them",
          "no key raises it; a lower `routes.max_per_service`, or `discovery.include`, keeps room for what matters"),
    Bound("in_service_overflow", "transactions", "service {overflow}",
          "of the transactions are of the service `{overflow}`",
          "no key raises the 2,000 names; `discovery.services` gives many programs one name, `discovery.exclude` leaves "
          "some out"),
    Bound("in_history_overflow", "transactions", "history {overflow}",
          "of the transactions are in the history's `{overflow}`: /metrics tells them apart, the console and the API do not",
          "no key raises the 2,048 endpoints; fewer routes do (`routes.max_per_service`)"),
    Bound("seconds_missing", "1", "1 s steps gone", "of the last five minutes is told in steps of ten seconds only",
          "no key gives the history more; fewer endpoints make it longer"),
    Bound("tens_missing", "1", "10 s steps gone", "of the last hour is told in steps of a minute only",
          "no key gives the history more; fewer endpoints make it longer"),
    Bound("minutes_missing", "1", "60 s steps gone", "of the last hour is gone from the history",
          "no key gives the history more; fewer endpoints make it longer"),
    Bound("connections_evicted", "requests", "connections evicted",
          "of the requests made another connection leave the table: it comes back without its addresses, so that its "
          "service has no port; a request under way on it is lost, and counted as a response without one",
          "no key raises the 32,768; `memory.max` lowers it"),
    Bound("requests_untracked", "server_transactions", "untracked",
          "of the requests that were served can meet no log line: the table of 16,384 holds each until `logs.late` and "
          "250 ms after its end",
          "a shorter `logs.late` moves it, and a line may then come only so long after its response"),
    Bound("transactions_early", "transactions", "early", "of the transactions went on before all of their lines could come",
          "a shorter `logs.late` moves it, and a line may then come only so long after its response"),
    Bound("lines_early", "lines", "early lines", "of the lines were joined before their time",
          "a lower `logs.capture.max_processes` takes lines of fewer processes"),
    Bound("links_evicted", "requests", "links evicted", "of the requests made another open one lose its links",
          "no key raises the 16,384 that may be open"),
    Bound("processes_evicted", "processes_started", "processes evicted",
          "of the processes left the table while they ran; without `/proc`, as here, they come back without a name",
          "no key raises the 16,384; `memory.max` lowers it"),
    Bound("processes_refused", "", "no resources",
          "times a process that serves found no room among the 4,096 whose resources are told by service "
          "(`sonde_resource_unaccounted_total`)",
          "no key raises it; `discovery.exclude` leaves some out"),
    Bound("queue_dropped", "transactions", "not written", "of the transactions found the sink's queue full",
          "`queue.records` of the sink, or `sampling.head_rate`"),
)


@dataclasses.dataclass(frozen=True)
class Knob:
    """A setting, turned at one point of the axis."""
    at: int
    settings: dict
    bounds: tuple  # values of BOUNDS that it is turned for


@dataclasses.dataclass(frozen=True)
class Axis:
    name: str
    unit: str
    points: tuple
    quick: tuple
    knobs: tuple = ()

    def shape(self, value, quick=False):
        """Of one point. What has to be there at least comes by itself: a connection of each process, a process of each
        service, a route of each service."""
        shape = BASE | {self.name: value}
        if self.name == "rate":
            shape["seconds"] = min(shape["seconds"], max(STEADY_SECONDS, STEADY_REQUESTS // value))
        if self.name == "alive":
            shape["processes"] = value
        if quick:
            shape["seconds"] = min(shape["seconds"], max(5, 60_000 // shape["rate"]))
        return shape


AXES = {axis.name: axis for axis in (
    Axis("rate", "requests/s", (1_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000), (1_000, 20_000, 100_000),
         (Knob(50_000, {"logs.late": "50ms"}, ("requests_untracked",)),
          Knob(200_000, {"sampling.head_rate": "0.01"}, ()))),
    Axis("services", "services", (1, 10, 100, 300, 1_000, 3_000), (1, 100, 1_000)),
    Axis("routes", "routes offered", (20, 200, 1_000, 2_000, 5_000, 10_000, 50_000), (20, 2_000, 50_000),
         (Knob(50_000, {"routes.max": "60000", "routes.max_per_service": "10000"},
               ("in_route_overflow", "in_label_overflow")),
          Knob(50_000, {"routes.max": "1000", "routes.max_per_service": "50"}, ("in_route_overflow",)))),
    Axis("connections", "open connections", (100, 1_000, 5_000, 10_000, 20_000, 40_000), (100, 5_000, 40_000),
         (Knob(20_000, {"memory.max": "96MiB"}, ("connections_evicted",)),)),
    Axis("processes", "processes in the hour", (100, 1_000, 10_000, 100_000), (100, 10_000)),
    Axis("alive", "processes at a time", (100, 1_000, 4_000, 10_000, 20_000), (100, 5_000)),
)}
