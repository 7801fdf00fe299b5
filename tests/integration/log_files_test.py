"""Log files that the configuration names: followed, joined with what the kernel saw, kept, counted, and never dropped
because a sink is slow."""

import http.server
import json
import pathlib
import os
import threading
import time
import unittest
import urllib.parse

from harness import Process, PYTHON, SondeTest, fetch, free_port, metric_sum, wait_for

SERVER = '''
import http.server, logging, os, sys
logging.basicConfig(filename=sys.argv[2], level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
log = logging.getLogger("shop")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        log.info("asked for %s", self.path)
        if self.path.startswith("/fail"):
            try:
                raise ValueError("no stock for " + self.path)
            except ValueError:
                log.exception("order %d failed", 7)
            self.send_response(500)
        else:
            self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\\n")
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
'''


class Hanging(http.server.ThreadingHTTPServer):
    """A destination that takes batches only when it is told to."""

    daemon_threads = True

    def __init__(self):
        self.open = threading.Event()
        self.lines = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.open.wait(60)
                outer.lines += [json.loads(line) for line in body.decode().splitlines()]
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class LogFiles(SondeTest):
    def configured(self, text):
        path = self.directory / "sonde.yaml"
        path.write_text(text)
        return self.start_sonde("--config", str(path))

    def api(self, sonde, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        return json.loads(fetch(f"http://127.0.0.1:{sonde.port}/api/v1/{path}?{query}"))

    def lines_of(self, sonde):
        path = sonde.events / "logs.jsonl"
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    def server(self, log):
        port = free_port()
        script = self.directory / "shop.py"
        script.write_text(SERVER)
        process = Process([PYTHON, str(script), str(port), str(log)])
        self.addCleanup(process.stop)
        wait_for(lambda: self.answers(port), "the server answers")
        return port

    def answers(self, port):
        try:
            return fetch(f"http://127.0.0.1:{port}/")
        except OSError:
            return None

    def ask(self, port, path):
        try:
            fetch(f"http://127.0.0.1:{port}{path}")
        except OSError:
            pass  # a 500 is what was asked for

    def test_a_line_of_write_and_file_is_one_record_on_its_request(self):
        log = self.directory / "shop.log"
        sonde = self.configured(f"logs:\n  files:\n    - pattern: {log}\n      service: shop-files\n")
        port = self.server(log)

        def watched():
            self.ask(port, "/warm")
            return metric_sum(sonde.metrics(), "sonde_log_lines_joined_total", match="thread")

        wait_for(watched, "lines are captured and joined")
        for i in range(20):
            self.ask(port, f"/order/{i}")
        self.ask(port, "/fail/1")
        wait_for(lambda: any("exception" in line for line in self.lines_of(sonde)), "the traceback is written out")
        wait_for(lambda: sum("/order/" in line["message"] for line in self.lines_of(sonde)) >= 20, "all lines are")
        time.sleep(0.5)  # a second record of a line would come now
        lines = self.lines_of(sonde)
        orders = [line for line in lines if "/order/" in line["message"]]
        self.assertEqual(len(orders), 20)
        for line in orders:
            self.assertEqual((line["source"]["origin"], line["match"], line["confidence"]), ("both", "thread", 1))
            self.assertEqual(line["source"]["path"], str(log))
            self.assertEqual((line["service"], line["logger"]), ("shop-files", "shop"))
        failed = [line for line in lines if "exception" in line]
        self.assertEqual(len(failed), 1)
        self.assertEqual(failed[0]["exception"]["type"], "ValueError")

        # the same through the API, and on the request
        told = self.api(sonde, "logs", level="error", service="shop-files")["logs"]
        self.assertEqual([line["message"] for line in told], ["order 7 failed"])
        # it waits for its lines, about a second
        kept = wait_for(lambda: self.api(sonde, "transactions", span_id=told[0]["request"]["span_id"])["transactions"],
                        "the request is kept")
        self.assertEqual([t["path"] for t in kept], ["/fail/1"])
        self.assertEqual([line["level"] for line in kept[0]["logs"]], ["info", "error"])
        templates = self.api(sonde, "logs/templates", service="shop-files", q="/order/")["templates"]
        self.assertGreaterEqual(templates[0]["count"], 20)
        text = sonde.metrics()
        self.assertGreaterEqual(metric_sum(text, "sonde_log_records_total", service="shop-files", level="info"), 20)
        self.assertEqual(metric_sum(text, "sonde_log_error_messages_total"), 1)
        sonde.stop()

    def test_files_of_container_runtimes(self):
        folder = self.directory / "containers"
        folder.mkdir()
        sonde = self.configured(f"logs:\n  capture:\n    enabled: false\n  files:\n    - pattern: {folder}/*.log\n")
        wait_for(lambda: metric_sum(sonde.metrics(), "sonde_queue_capacity", queue="tail"), "files are followed")
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000001Z", time.gmtime())
        with open(folder / "cri.log", "w") as cri:
            cri.write(f"{stamp} stdout P {{\"level\":\"warn\",\"msg\":\"in two \n{stamp} stdout F parts\"}}\n")
        with open(folder / "docker.log", "w") as docker:
            docker.write(json.dumps({"log": "level=error msg=\"from docker\"\n", "stream": "stderr", "time": stamp}) + "\n")
        wait_for(lambda: len(self.lines_of(sonde)) >= 2, "both are read")
        by_message = {line["message"]: line for line in self.lines_of(sonde)}
        self.assertEqual(by_message["in two parts"]["level"], "warn")
        self.assertEqual(by_message["in two parts"]["source"]["origin"], "cri")
        self.assertEqual(by_message["from docker"]["source"], {"origin": "docker", "stream": "stderr",
                                                               "path": str(folder / "docker.log")})
        sonde.stop()

    def test_secrets_do_not_leave(self):
        log = self.directory / "app.log"
        log.write_text("")
        sonde = self.configured(f"logs:\n  capture: {{enabled: false}}\n  files:\n    - pattern: {log}\n")
        wait_for(lambda: metric_sum(sonde.metrics(), "sonde_tail_files"), "the file is followed")
        with open(log, "a") as file:
            file.write('{"level":"info","msg":"login of anna","password":"hunter2-secret"}\n')
            file.write("INFO Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ\n")
        wait_for(lambda: len(self.lines_of(sonde)) == 2, "both lines are written out")
        shown = (sonde.events / "logs.jsonl").read_text() + json.dumps(self.api(sonde, "logs")) + sonde.metrics()
        for secret in ("hunter2-secret", "eyJzdWIiOiJjYW5hcnkifQ"):
            self.assertNotIn(secret, shown)
        self.assertIn("login of anna", shown)
        sonde.stop()

    def test_a_slow_sink_stops_the_reading_and_loses_nothing(self):
        log = self.directory / "app.log"
        log.write_text("")
        destination = Hanging()
        self.addCleanup(destination.shutdown)
        self.addCleanup(destination.open.set)
        sonde = self.configured(f"""
logs:
  capture:
    enabled: false
  files:
    - pattern: {log}
sinks:
  slow:
    type: http
    http:
      url: http://127.0.0.1:{destination.server_address[1]}/
    webhook:
      form: lines
      compression: none
    filter:
      types: [log]
    queue:
      records: 1024
""")
        wait_for(lambda: metric_sum(sonde.metrics(), "sonde_tail_files"), "the file is followed")
        count = 60_000
        with open(log, "a") as file:
            for i in range(count):
                file.write(f"INFO line {i} {'x' * 100}\n")
        wait_for(lambda: metric_sum(sonde.metrics(), "sonde_tail_refusals_total"), "reading has stopped")
        time.sleep(2)
        text = sonde.metrics()
        self.assertLess(metric_sum(text, "sonde_tail_records_total"), count)
        self.assertEqual(metric_sum(text, "sonde_queue_dropped_total"), 0)
        status = pathlib.Path(f"/proc/{sonde.pid}/status").read_text().splitlines()
        resident_kib = int(next(line.split()[1] for line in status if line.startswith("VmRSS")))
        self.assertLess(resident_kib, 200 * 1024)
        destination.open.set()
        wait_for(lambda: len(destination.lines) >= count, "all lines arrive", timeout_s=60)
        numbers = [int(line["message"].split()[2]) for line in destination.lines if line["message"].startswith("INFO line ")]
        self.assertEqual(sorted(set(numbers)), list(range(count)))
        sonde.stop()

    def test_what_was_written_out_does_not_come_again(self):
        log = self.directory / "app.log"
        log.write_text("INFO before sonde\n")
        text = f"logs:\n  capture: {{enabled: false}}\n  checkpoint: {self.directory}/checkpoint\n  from_beginning: true\n  files:\n    - pattern: {log}\n"
        sonde = self.configured(text)
        wait_for(lambda: len(self.lines_of(sonde)) == 1, "the first line is there")
        sonde.stop()
        with open(log, "a") as file:
            file.write("INFO while it was away\n")
        sonde = self.configured(text)
        wait_for(lambda: len(self.lines_of(sonde)) == 2, "the second line is there")
        # killed, once the checkpoint has had its second
        before = (self.directory / "checkpoint").read_bytes()
        with open(log, "a") as file:
            file.write("INFO third\n")
        wait_for(lambda: (self.directory / "checkpoint").read_bytes() != before, "a checkpoint after the third line")
        wait_for(lambda: len(self.lines_of(sonde)) == 3, "the third line is there")
        time.sleep(3)
        os.kill(sonde.pid, 9)
        sonde.child.wait(10)
        sonde = self.configured(text)
        with open(log, "a") as file:
            file.write("INFO fourth\n")
        wait_for(lambda: len(self.lines_of(sonde)) >= 4, "the fourth line is there")
        self.assertEqual([line["message"] for line in self.lines_of(sonde)],
                         ["INFO before sonde", "INFO while it was away", "INFO third", "INFO fourth"])
        sonde.stop()


if __name__ == "__main__":
    unittest.main()
