"""Every query of every dashboard and rule, asked of a real Prometheus that scrapes a live sonde under the demo's load. Loki is in
no Debian package: its queries are held against the streams that the same sonde pushes.
"""

import gzip
import http.server
import json
import pathlib
import re
import subprocess
import sys
import threading
import unittest
import urllib.error
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
import grafana_schema  # noqa: E402
from harness import PYTHON, Process, SondeTest, fetch, free_port, wait_for  # noqa: E402

DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
RULES = [ROOT / "deploy" / "prometheus" / "recording.yml", ROOT / "deploy" / "prometheus" / "rules" / "sonde.yaml"]
VARIABLES = {"cluster": ".*", "node": ".*", "namespace": ".*", "service": ".*", "route": ".*", "__rate_interval": "15s",
             "__range": "30s", "__interval": "5s"}
# A query may have no data for these reasons, and no other: (a part of the query, why).
EMPTY = [
    (r"http_client_request_duration", "nothing on this machine asked anything just now"),
    (r"sonde_records_lost_total.* > 0", "nothing was lost"),
    (r"instance:sonde_records_lost", "nothing was seen in the last five minutes"),
    (r"container_cpu_(usage|cfs)", "this machine's cgroup v2 has no cpu controller, or nobody has a limit"),
    (r"sonde_kubernetes_", "there is no cluster here"),
    (r"sonde_sink_|sonde_queue_", "every sink takes what it is given"),
    (r"topk\(12, sum by \(id\)", "no container runs here"),
    (r"response_status_code=~\"5", "nothing failed yet"),
]


def targets():
    """(dashboard, panel, expression) of every query."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield path.stem, panel["title"], target


def substituted(expression):
    for name, value in VARIABLES.items():
        expression = re.sub(r"\$\{?" + name + r"\b\}?", value, expression)
    return expression


class Schema(unittest.TestCase):
    def dashboards(self):
        for path in DASHBOARDS:
            yield path.stem, json.loads(path.read_text())

    def test_they_are_what_the_program_writes(self):
        done = subprocess.run([PYTHON, str(ROOT / "deploy" / "grafana" / "make_dashboards.py"), "--check"],
                              capture_output=True, text=True, env={"PYTHONDONTWRITEBYTECODE": "1"})
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_they_follow_grafanas_schema(self):
        for name, dashboard in self.dashboards():
            self.assertEqual(grafana_schema.wrong(dashboard, "Dashboard", name), [])

    def test_what_the_schema_does_not_know_is_found(self):
        def spoilt(change):
            dashboard = json.loads(DASHBOARDS[0].read_text())
            change(dashboard, next(each for each in dashboard["panels"] if each["type"] == "timeseries"))
            return grafana_schema.wrong(dashboard, "Dashboard", "")

        for change in (lambda d, p: d.update(schemaVersion=39), lambda d, p: d.pop("templating"),
                       lambda d, p: p.update(type="graph"), lambda d, p: p.update(yaxes=[]),
                       lambda d, p: p["options"]["legend"].update(calcs="mean"), lambda d, p: p["gridPos"].pop("w"),
                       lambda d, p: p["targets"][0].pop("expr"), lambda d, p: p["targets"][0].update(instant="yes"),
                       lambda d, p: d["templating"]["list"][0].update(current={})):
            self.assertNotEqual(spoilt(change), [])

    def test_there_are_four(self):
        self.assertEqual([path.stem for path in DASHBOARDS], ["endpoint", "health", "overview", "resources"])

    def test_ids_are_unique_and_panels_do_not_overlap(self):
        for name, dashboard in self.dashboards():
            ids = [panel["id"] for panel in dashboard["panels"]]
            self.assertEqual(len(ids), len(set(ids)), name)
            cells = {}
            for panel in dashboard["panels"]:
                place = panel["gridPos"]
                self.assertLessEqual(place["x"] + place["w"], 24, f"{name}: {panel['title']}")
                for x in range(place["x"], place["x"] + place["w"]):
                    for y in range(place["y"], place["y"] + place["h"]):
                        self.assertNotIn((x, y), cells, f"{name}: {panel['title']} lies on {cells.get((x, y))}")
                        cells[x, y] = panel["title"]

    def test_the_first_question_fits_a_screen(self):
        """1440x900: Grafana's own bars take some 120 pixels, a unit of the grid 30 and a gap of 8."""
        for name, dashboard in self.dashboards():
            first_row = min((p["gridPos"]["y"] for p in dashboard["panels"] if p["type"] == "row"), default=99)
            above = [p for p in dashboard["panels"] if p["gridPos"]["y"] < first_row]
            bottom = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in above)
            self.assertLessEqual(120 + bottom * 38, 900, name)

    def test_no_data_source_is_named(self):
        for name, dashboard in self.dashboards():
            uids = set(re.findall(r'"uid": "([^"]*)"', json.dumps({k: v for k, v in dashboard.items() if k != "uid"})))
            self.assertLessEqual(uids, {"${datasource}", "${loki}", "-- Grafana --"}, name)

    def test_variables_are_there_and_used(self):
        for name, dashboard in self.dashboards():
            variables = {each["name"] for each in dashboard["templating"]["list"]}
            wanted = {"datasource", "cluster", "node"} | ({"namespace", "service", "route"} if name in ("overview", "endpoint") else set())
            self.assertLessEqual(wanted, variables, name)
            used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard)))
            self.assertLessEqual({each for each in used if not each.startswith("__")}, variables, name)

    def test_exemplars_are_asked_for(self):
        asked = [target for name, _, target in targets() if name == "endpoint" and target.get("exemplar")]
        self.assertGreaterEqual(len(asked), 2)


class Promtool(unittest.TestCase):
    def promtool(self, *arguments):
        done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, cwd=ROOT / "deploy" / "prometheus")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_config_and_rules(self):
        self.promtool("check", "config", "prometheus.yml")
        self.promtool("check", "rules", *[str(path) for path in RULES])

    def test_recording_rules(self):
        self.promtool("test", "rules", "recording_test.yml")


class PushedStreams:
    """Takes what a sink pushes as Loki would, and answers a query of LogQL: {label="value", label=~"regex"} | json | label=~"regex"."""

    def __init__(self):
        self.entries = []  # (labels, line)
        streams = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
                for stream in json.loads(body)["streams"]:
                    streams.entries += [(stream["stream"], entry[1]) for entry in stream["values"]]
                self.send_response(204)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/loki/api/v1/push"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def ask(self, query):
        selector, *stages = re.fullmatch(r"\{(.*?)\}((?: \| [^|]+)*)", query).groups()
        stages = [each.strip() for each in stages[0].split(" | ") if each.strip()]

        def holds(matcher, labels):
            name, operator, value = re.fullmatch(r'(\w+)(=~|=)"(.*)"', matcher).groups()
            have = labels.get(name, "")
            return have == value if operator == "=" else re.fullmatch(value, have) is not None

        found = []
        for labels, line in list(self.entries):
            labels = dict(labels)
            if not all(holds(each, labels) for each in re.split(r", *", selector)):
                continue
            for stage in stages:
                if stage == "json":
                    labels |= {name: str(value) for name, value in json.loads(line).items() if not isinstance(value, (dict, list))}
                elif not holds(stage, labels):
                    break
            else:
                found.append(json.loads(line))
        return found


class Queries(SondeTest):
    def start_prometheus(self, sonde):
        port = free_port()
        place = self.directory / "prometheus"
        place.mkdir()
        rule_files = []
        for path in RULES:
            copy = place / path.name
            copy.write_text(re.sub(r"interval: \d+s", "interval: 2s", path.read_text()).replace("[5m]", "[15s]"))
            rule_files.append(copy.name)
        (place / "prometheus.yml").write_text(json.dumps({  # JSON is YAML
            "global": {"scrape_interval": "2s", "evaluation_interval": "2s", "external_labels": {}},
            "rule_files": rule_files,
            "scrape_configs": [{"job_name": "sonde", "static_configs": [
                {"targets": [f"127.0.0.1:{sonde.port}"], "labels": {"cluster": "here"}}]}]}))
        self.url = f"http://127.0.0.1:{port}"
        self.prometheus = self.start(Process(
            ["prometheus", f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/data",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"], cwd=place))

    def ask(self, expression):
        try:
            return json.loads(fetch(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}", 30))
        except urllib.error.HTTPError as error:
            return json.loads(error.read())

    def count(self, expression):
        try:
            return len(self.ask(expression)["data"]["result"])
        except (OSError, KeyError, ValueError):  # it is not up yet
            return 0

    def test_every_query(self):
        loki = PushedStreams()
        self.addCleanup(loki.stop)
        demo = self.start(Process([PYTHON, str(ROOT / "deploy" / "demo" / "demo.py"), "--seconds", "300"],
                                  stdout=subprocess.PIPE, text=True))
        self.addCleanup(demo.child.stdout.close)
        ports = [int(each) for each in re.findall(r"=(\d+)", demo.child.stdout.readline())]
        config = self.directory / "sonde.yaml"
        config.write_text(json.dumps({
            # the demo, and nothing else that this machine may serve meanwhile
            "discovery": {"include": [{"ports": ports}, {"command_lines": [f"*{ROOT}/deploy/demo/*"]}]},
            "sinks": {"loki": {"type": "loki", "http": {"url": loki.url}, "loki": {"format": "json"}}}}))
        sonde = self.start_sonde("--config", str(config))
        self.start_prometheus(sonde)
        wait_for(lambda: self.count("rate(http_server_request_duration_seconds_count[15s]) > 0") >= 6,
                 "the demo's requests are in Prometheus", 120)
        wait_for(lambda: self.count("service:http_server_requests:rate5m") > 0, "rules are evaluated", 60)
        wait_for(lambda: subprocess.run(["true"]) and self.count("rate(process_exits_total[15s]) > 0") > 0,
                 "processes that end are in Prometheus", 60)
        rows, failures = [], []
        asked = [(place, title, substituted(t["expr"])) for place, title, t in targets() if "loki" not in t["datasource"]["uid"]]
        groups = json.loads(fetch(f"{self.url}/api/v1/rules"))["data"]["groups"]
        asked += [(group["file"].rsplit("/", 1)[-1], rule["name"], rule["query"]) for group in groups for rule in group["rules"]]
        for place, title, expression in asked:
            answer = self.ask(expression)
            if answer["status"] != "success":
                failures.append(f"{place} / {title}: {answer.get('error')}: {expression}")
                continue
            found = len(answer["data"]["result"])
            reason = next((why for pattern, why in EMPTY if re.search(pattern, expression)), None)
            alert = place not in ("endpoint", "health", "overview", "resources", "recording.yml")
            if found == 0 and reason is None and not alert:
                failures.append(f"{place} / {title}: no data: {expression}")
            rows.append((place, title, f"{found} series" if found else f"no data: {reason or 'nothing to alert about'}"))
        for place, title, target in targets():
            if "loki" not in target["datasource"]["uid"]:
                continue
            for service, route in ((".*", ".*"), ("orders.*", "/orders/{id}")):
                pattern = re.escape(route) if "{" in route else route
                expression = substituted(target["expr"].replace("$service", service).replace("$route", pattern))
                found = wait_for(lambda: loki.ask(expression), f"{place} / {title}: no line: {expression}", 30)
                rows.append((place, title, f"{len(found)} lines that sonde pushed: service {service}, route {route}"))
        for place, title, what in rows:
            print(f"{place:14} {title:48} {what}")
        self.assertEqual(failures, [], "\n".join(failures))
        self.assertGreater(sum("series" in what for *_, what in rows), len(rows) * 0.7)


if __name__ == "__main__":
    unittest.main(verbosity=2)
