"""Kubernetes' names for containers and addresses, from an API that fails in all the ways that one does."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "integration"), str(TESTS / "support")]
from harness import PYTHON, SONDE, Process, SondeTest, accepts, fetch, free_port, metric_sum, wait_for  # noqa: E402
from kubernetes_api import PODS, SERVICES, SLICES, KubernetesApi, endpoint_slice, pod, service  # noqa: E402

DRIVER = os.environ.get("KUBERNETES_DRIVER") or str(TESTS.parent / "build" / "release" / "tests" / "kubernetes_driver")
CGROUP = pathlib.Path("/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup")
REPLICA_SET = "/apis/apps/v1/namespaces/store/replicasets/shop-7d4b9c"
DEPLOYMENT = {"metadata": {"ownerReferences": [
    {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop", "controller": True}]}}
ID = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4


class Driver(Process):
    def __init__(self, directory, api, **options):
        self.file = pathlib.Path(directory) / "names.json"
        arguments = {"api": api.url, "node": "node-1", **options}
        super().__init__([DRIVER, str(self.file), *(f"{key}={value}" for key, value in arguments.items())],
                         stderr=None)

    def now(self):
        return json.loads(self.file.read_text()) if self.file.exists() else {"containers": {}, "peers": {}}

    def wait(self, condition, what, timeout_s=20):
        def look():
            now = self.now()
            return now if condition(now) else None

        try:
            return wait_for(look, what, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(self.now(), indent=1)}") from None

    def wait_for_pod(self, container_id, name):
        return self.wait(lambda now: now["containers"].get(container_id, {}).get("pod") == name, f"{name} is known")


class Kubernetes(SondeTest):
    def start_api(self, **options):
        api = KubernetesApi(**options)
        self.addCleanup(api.stop)
        api.put(PODS, pod("shop-1", ID, labels={"app": "shop", "secret": "x"}))
        api.others[REPLICA_SET] = DEPLOYMENT
        return api

    def start_driver(self, api, **options):
        return self.start(Driver(self.directory, api, **options))

    def make_certificate(self, name="kubernetes.test", address="127.0.0.1"):
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{address}", "-keyout",
                        str(key), "-out", str(certificate)], check=True, capture_output=True)
        return certificate, key

    def test_list_and_watch(self):
        api = self.start_api()
        api.put(PODS, pod("elsewhere", OTHER, node="node-2"))
        driver = self.start_driver(api, label="app")
        now = driver.wait(lambda now: now["containers"].get(ID, {}).get("kind") == "Deployment", "the owner is known")
        self.assertEqual(now["containers"], {ID: {
            "namespace": "store", "pod": "shop-1", "container": "web", "node": "node-1", "kind": "Deployment",
            "owner": "shop", "labels": {"app": "shop"}}})
        # of this node only, and no more than is needed
        self.assertTrue(all(each[1].get("fieldSelector") == "spec.nodeName=node-1" for each in api.asked(PODS)))
        api.put(PODS, pod("shop-2", OTHER, address="10.1.0.6"))
        driver.wait_for_pod(OTHER, "shop-2")
        api.remove(PODS, "uid-shop-1")
        driver.wait(lambda now: ID not in now["containers"], "a pod that is gone is forgotten")
        self.assertEqual(len(api.asked(REPLICA_SET)), 1)
        self.assertEqual(len([each for each in api.asked(PODS) if "watch" not in each[1]]), 1)

    def test_a_long_list_comes_in_pages(self):
        api = self.start_api()
        for i in range(250):
            api.put(PODS, pod(f"many-{i:03}", f"{i:064x}", address=f"10.2.0.{i}"))
        api.page_expires = True
        driver = self.start_driver(api)
        driver.wait(lambda now: len(now["containers"]) == 251, "all of them are known")

    def test_a_watch_goes_on_where_it_was(self):
        api = self.start_api()
        driver = self.start_driver(api)
        driver.wait_for_pod(ID, "shop-1")
        wait_for(lambda: api.asked(PODS, watch="1"), "it watches")
        api.bookmark(PODS)
        driver.wait(lambda now: now["bookmarks"] == 1, "the bookmark arrived")
        version = str(api.version)
        api.cut_watches()
        wait_for(lambda: api.asked(PODS, watch="1", resourceVersion=version), "it asks from the bookmark on")
        api.put(PODS, pod("shop-2", OTHER))
        now = driver.wait_for_pod(OTHER, "shop-2")
        self.assertEqual(len([each for each in api.asked(PODS) if "watch" not in each[1]]), 1, now)

    def test_what_was_missed_for_good_is_listed_again(self):
        api = self.start_api()
        driver = self.start_driver(api)
        driver.wait_for_pod(ID, "shop-1")
        wait_for(lambda: api.asked(PODS, watch="1"), "it watches")
        with api.changed:  # while nobody looks
            api.objects[PODS].clear()
        api.forget_history()
        api.cut_watches()
        api.put(PODS, pod("shop-2", OTHER))
        now = driver.wait_for_pod(OTHER, "shop-2")
        now = driver.wait(lambda now: ID not in now["containers"], "what went meanwhile is forgotten")
        self.assertGreaterEqual(now["expired"], 1)

    def test_a_slow_server(self):
        api = self.start_api()
        api.byte_by_byte = True
        driver = self.start_driver(api)
        driver.wait_for_pod(ID, "shop-1")
        wait_for(lambda: api.asked(PODS, watch="1"), "it watches")
        api.put(PODS, pod("shop-2", OTHER))
        driver.wait_for_pod(OTHER, "shop-2")

    def test_tokens_change(self):
        certificate, key = self.make_certificate()
        api = self.start_api(certificate=certificate, key=key)
        api.token = "first"
        token = self.directory / "token"
        token.write_text("first\n")
        driver = self.start_driver(api, ca=certificate, token=token)
        driver.wait_for_pod(ID, "shop-1")
        wait_for(lambda: api.asked(PODS, watch="1"), "it watches")
        api.token = "second"
        api.cut_watches()
        driver.wait(lambda now: now["last_error"] == "the API answered 401", "the old token is refused")
        api.put(PODS, pod("shop-2", OTHER))
        token.write_text("second\n")
        driver.wait_for_pod(OTHER, "shop-2")
        self.assertNotIn("third", {each[2] for each in api.requests})

    def test_a_wrong_certificate_is_told_nothing(self):
        certificate, key = self.make_certificate()
        other, _ = self.make_certificate("somebody.else")
        api = self.start_api(certificate=certificate, key=key)
        token = self.directory / "token"
        token.write_text("secret\n")
        driver = self.start_driver(api, ca=other, token=token)
        driver.wait(lambda now: "SSL certificate" in now.get("last_error", ""), "it does not trust the server")
        self.assertEqual(api.requests, [])
        self.assertEqual(driver.now()["containers"], {})

    def test_a_certificate_for_another_address(self):
        certificate, key = self.make_certificate(address="192.0.2.1")
        api = self.start_api(certificate=certificate, key=key)
        driver = self.start_driver(api, ca=certificate)
        driver.wait(lambda now: "SSL" in now.get("last_error", ""), "it does not trust the server")
        self.assertEqual(api.requests, [])

    def test_an_owner_that_may_not_be_asked_for(self):
        api = self.start_api()
        api.status[REPLICA_SET] = 403
        driver = self.start_driver(api)
        now = driver.wait_for_pod(ID, "shop-1")
        self.assertEqual((now["containers"][ID]["kind"], now["containers"][ID]["owner"]), ("ReplicaSet", "shop-7d4b9c"))

    def test_the_kubelet_helps_out(self):
        api = self.start_api()
        api.status[PODS] = 403
        kubelet = KubernetesApi()
        self.addCleanup(kubelet.stop)
        kubelet.others["/pods"] = {"kind": "PodList", "items": [pod("shop-9", OTHER)]}
        driver = self.start_driver(api, kubelet=kubelet.url, kubelet_interval=1)
        now = driver.wait_for_pod(OTHER, "shop-9")
        self.assertTrue(now["from_kubelet"])
        self.assertGreaterEqual(now["failures"], 3)
        del api.status[PODS]  # the API is back
        now = driver.wait(lambda now: ID in now["containers"] and not now["from_kubelet"], "the API's word counts again")
        self.assertNotIn(OTHER, now["containers"])

    def test_addresses_of_services_and_pods(self):
        api = self.start_api()
        api.put(SERVICES, service("db", "10.96.0.9"))
        api.put(SLICES, endpoint_slice("db-x", "db", "10.1.0.9", "db-0"))
        driver = self.start_driver(api)
        now = driver.wait(lambda now: len(now["peers"]) == 3, "addresses are known")
        self.assertEqual(now["peers"], {
            "10.96.0.9": {"namespace": "store", "service": "db", "pod": ""},
            "10.1.0.9": {"namespace": "store", "service": "db", "pod": "db-0"},
            "10.1.0.5": {"namespace": "store", "service": "", "pod": "shop-1"}})

    def test_without_peers_nothing_else_is_asked_for(self):
        api = self.start_api()
        driver = self.start_driver(api, peers="false")
        driver.wait_for_pod(ID, "shop-1")
        self.assertEqual({each[0] for each in api.requests}, {PODS, REPLICA_SET})

    def test_a_server_that_is_not_there_yet(self):
        api = self.start_api()
        port = api.server.server_address[1]
        api.stop()
        driver = self.start_driver(api)
        driver.wait(lambda now: now.get("failures", 0) >= 2, "it tries again")
        self.assertIn(str(port), driver.now()["last_error"])
        self.assertEqual(driver.stop(signal.SIGTERM), 0)


class InCgroup(Process):
    """A process in a cgroup of its own, as a container runtime would put it there."""

    def __init__(self, path, argv):
        self.path = path
        path.mkdir(parents=True)
        super().__init__(["/bin/sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(path), *argv])

    def stop(self, signal_number=signal.SIGTERM):
        code = super().stop(signal_number)

        def gone():
            try:
                self.path.rmdir()
                self.path.parent.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return False
            return True

        wait_for(gone, f"{self.path} is empty")
        return code


class Agent(SondeTest):
    def test_names_reach_metrics_and_transactions(self):
        api = KubernetesApi()
        self.addCleanup(api.stop)
        api.others[REPLICA_SET] = DEPLOYMENT
        api.put(PODS, pod("shop-1", ID, labels={"app": "shop", "token": "eyJhbGciOi"}))
        server_port = free_port()
        api.put(SERVICES, service("front", "127.0.0.1"))
        server = self.start(InCgroup(CGROUP / f"kubepods-sonde-test-{os.getpid()}" / ID, [
            PYTHON, "-m", "http.server", str(server_port), "--bind", "127.0.0.1", "--directory", str(self.directory)]))
        wait_for(lambda: accepts(server_port), "the server listens")
        sonde = self.start_sonde(
            "--set", "kubernetes.use=always", "--set", f"kubernetes.api={api.url}", "--set", "kubernetes.node=node-1",
            "--set", "kubernetes.labels=app")
        wait_for(lambda: "k8s_owner_name=\"shop\"" in sonde.metrics(), "the pod and its owner are known")
        for _ in range(5):
            fetch(f"http://127.0.0.1:{server_port}/")
        labels = {"service_name": "store/shop", "k8s_namespace_name": "store", "k8s_deployment_name": "shop",
                  "k8s_container_name": "web", "server_port": str(server_port)}
        wait_for(lambda: metric_sum(sonde.metrics(), "http_server_request_duration_seconds_count", **labels) == 5,
                 "metrics carry the pod's workload")
        self.assertEqual(metric_sum(sonde.metrics(), "sonde_kubernetes_synced"), 1)
        self.assertNotIn("k8s_pod_name=\"shop-1\"", "".join(
            line for line in sonde.metrics().splitlines() if line.startswith("http_")))
        self.assertEqual(sonde.stop(), 0, sonde.output())
        served = sonde.transactions("server", server_port)
        self.assertEqual([each["k8s"] for each in served], [{
            "namespace": "store", "pod": "shop-1", "container": "web", "node": "node-1", "owner_kind": "Deployment",
            "owner": "shop", "labels": {"app": "shop"}}] * 5)
        asked = sonde.transactions("client", server_port)
        self.assertEqual([each["peer"] for each in asked], [{"namespace": "store", "service": "front"}] * 5)
        self.assertTrue(all("k8s" not in each for each in asked))
        server.stop()

    def test_rules_ask_for_namespaces_and_labels(self):
        api = KubernetesApi()
        self.addCleanup(api.stop)
        api.others[REPLICA_SET] = DEPLOYMENT
        config = self.directory / "sonde.yaml"
        config.write_text(json.dumps({
            "kubernetes": {"use": "always", "api": api.url, "node": "node-1", "labels": ["app", "watch"]},
            "discovery": {"exclude": [{"labels": ["watch=no"]}],
                          "services": [{"name": "front", "namespaces": ["st*"], "labels": ["app=shop"]}]}}))
        ports = {}
        for name, container_id in (("shop-1", ID), ("quiet-1", OTHER)):
            port = ports[name] = free_port()
            self.start(InCgroup(CGROUP / f"kubepods-sonde-{name}-{os.getpid()}" / container_id, [
                PYTHON, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(self.directory)]))
            wait_for(lambda: accepts(port), f"{name} listens")
        api.put(PODS, pod("shop-1", ID, labels={"app": "shop"}))
        api.put(PODS, pod("quiet-1", OTHER, labels={"app": "shop", "watch": "no"}))
        sonde = self.start_sonde("--config", str(config))
        wait_for(lambda: metric_sum(sonde.metrics(), "sonde_k8s_container_info") == 2, "the pods are known")

        def count(**labels):
            return metric_sum(sonde.metrics(), "http_server_request_duration_seconds_count", **labels)

        for _ in range(3):
            fetch(f"http://127.0.0.1:{ports['quiet-1']}/")
            fetch(f"http://127.0.0.1:{ports['shop-1']}/")
        wait_for(lambda: count(service_name="front", server_port=str(ports["shop-1"])) == 3, "the rule names the service")
        self.assertEqual(count(server_port=str(ports["quiet-1"])), 0)

    def test_a_node_without_a_name_is_an_error(self):
        done = subprocess.run([SONDE, "run", "--listen", "127.0.0.1:0", "--set", "kubernetes.use=always", "--set",
                               "kubernetes.node=Not A Node"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("'Not A Node' is no name of a Kubernetes node: set kubernetes.node", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
