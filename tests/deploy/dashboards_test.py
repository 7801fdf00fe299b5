"""Every query of every dashboard and rule, asked of a real Prometheus that scrapes a live sonde under the demo's load."""

import json
import pathlib
import re
import subprocess
import sys
import unittest
import urllib.error
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
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
    (r"sonde_sink_|sonde_queue_", "no sink is configured"),
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
        sonde = self.start_sonde()
        self.start(Process([PYTHON, str(ROOT / "deploy" / "demo" / "demo.py"), "--seconds", "300"]))
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
        for place, title, what in rows:
            print(f"{place:14} {title:48} {what}")
        self.assertEqual(failures, [], "\n".join(failures))
        self.assertGreater(sum("series" in what for *_, what in rows), len(rows) * 0.7)


if __name__ == "__main__":
    unittest.main(verbosity=2)
