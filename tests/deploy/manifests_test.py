"""What deploy/kubernetes and deploy/helm make: valid objects, the same from both, with the documented capabilities."""

import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
DEPLOY = ROOT / "deploy"
sys.path.insert(0, str(HERE))
from privileges_test import documented  # noqa: E402

TOOLS = pathlib.Path(tempfile.gettempdir()) / "sonde-deploy-tools"
KUSTOMIZATIONS = ["base", "overlays/development", "overlays/production", "overlays/openshift"]


def run(*argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, argv))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def objects_of(text):
    return [each for each in yaml.safe_load_all(text) if each]


@functools.cache
def kustomized(name):
    return objects_of(run("kubectl", "kustomize", str(DEPLOY / "kubernetes" / name)))


@functools.cache
def renderer():
    """deploy/helm's stand-in for helm, built once from Debian's Go libraries."""
    TOOLS.mkdir(exist_ok=True)
    program = TOOLS / "helm_render"
    run("go", "build", "-o", str(program), str(HERE / "helm_render" / "main.go"),
        env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "",
             "GOCACHE": str(TOOLS / "go-cache")})
    return str(program)


def rendered(values=None):
    arguments = [str(DEPLOY / "helm" / "sonde"), "sonde", "sonde"]
    if values is None:
        return objects_of(run(renderer(), *arguments))
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values, file)
        file.flush()
        return objects_of(run(renderer(), *arguments, file.name))


@functools.cache
def schemas():
    """npm's kubernetes-models, in the versions of package.json."""
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    for name, version in wanted.items():
        package = TOOLS / "node_modules" / name / "package.json"
        if not package.exists() or json.loads(package.read_text())["version"] != version:
            TOOLS.mkdir(exist_ok=True)
            (TOOLS / "package.json").write_text((HERE / "package.json").read_text())
            run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(TOOLS))
            break
    return str(TOOLS / "node_modules")


def one(objects, kind, name="sonde"):
    found = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    if len(found) != 1:
        raise AssertionError(f"{len(found)} of {kind} {name}")
    return found[0]


def container_of(objects):
    return one(objects, "DaemonSet")["spec"]["template"]["spec"]["containers"][0]


class Manifests(unittest.TestCase):
    def check_schema(self, objects):
        done = subprocess.run(["node", str(HERE / "validate_objects.js"), schemas()], input=json.dumps(objects),
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_every_object_is_valid(self):
        for name in KUSTOMIZATIONS:
            with self.subTest(name):
                result = self.check_schema(kustomized(name))
                # OpenShift's own kind has no schema there
                self.assertLessEqual(set(result["without"]), {"SecurityContextConstraints sonde"})
                self.assertGreaterEqual(result["validated"], 8)
                print(f"{name}: {result['validated']} objects valid")

    def test_a_wrong_object_is_found(self):
        wrong = json.loads(json.dumps(kustomized("base")))
        one(wrong, "DaemonSet")["spec"]["template"]["spec"]["hostPID"] = "yes"
        with self.assertRaisesRegex(AssertionError, "DaemonSet sonde"):
            self.check_schema(wrong)

    def test_the_chart_makes_the_same_objects(self):
        def normal(objects):
            out = {}
            for each in objects:
                if each["kind"] == "Namespace":  # helm install --create-namespace
                    continue
                each = json.loads(json.dumps(each))
                if each["kind"] == "ConfigMap":
                    each["data"] = {name: yaml.safe_load(text) for name, text in each["data"].items()}
                out[each["kind"]] = each
            return out

        self.assertEqual(normal(rendered()), normal(kustomized("base")))
        everything = rendered({
            "operator": {"serviceMonitor": True, "prometheusRule": True}, "tokenSecret": "sonde-token",
            "config": {"http": {"allow_anonymous": None, "token_file": "/etc/sonde-token/token"}},
            "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}})
        expected, made = normal(kustomized("overlays/production")), normal(everything)
        for objects in (expected, made):  # the order of volumes means nothing
            pod = objects["DaemonSet"]["spec"]["template"]["spec"]
            pod["volumes"].sort(key=lambda each: each["name"])
            pod["containers"][0]["volumeMounts"].sort(key=lambda each: each["name"])
        self.assertEqual(made, expected)

    def test_the_chart_without_its_options(self):
        kinds = {each["kind"] for each in rendered({"networkPolicy": {"enabled": False}, "priorityClass": {"create": False},
                                                    "securityContextConstraints": True, "tlsBefore66": True})}
        self.assertEqual(kinds, {"ConfigMap", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "DaemonSet", "Service",
                                 "SecurityContextConstraints"})

    def test_the_capabilities_are_the_documented_ones(self):
        """And the documented ones are those that tests/deploy/privileges_test.py found."""
        wanted = [name.removeprefix("CAP_") for name, _ in documented()]
        self.assertEqual(len(wanted), 5)
        for objects in [*map(kustomized, KUSTOMIZATIONS), rendered()]:
            security = container_of(objects)["securityContext"]
            self.assertEqual(security["capabilities"], {"drop": ["ALL"], "add": wanted})
            self.assertFalse(security["privileged"] or security["allowPrivilegeEscalation"])
            self.assertTrue(security["readOnlyRootFilesystem"])
        scc = one(kustomized("overlays/openshift"), "SecurityContextConstraints")
        self.assertEqual(scc["allowedCapabilities"], wanted)
        unit = (DEPLOY / "systemd" / "sonde.service").read_text()
        bounding = re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.M)[1].split()
        self.assertEqual(sorted(bounding), sorted(f"CAP_{name}" for name in wanted))

    def test_before_linux_6_6(self):
        with tempfile.TemporaryDirectory(dir=DEPLOY / "kubernetes" / "overlays") as directory:
            pathlib.Path(directory, "kustomization.yaml").write_text(
                "resources: [../../base]\ncomponents: [../../components/tls-before-6.6]\n")
            added = container_of(objects_of(run("kubectl", "kustomize", directory)))["securityContext"]["capabilities"]["add"]
        self.assertEqual(added[-1], "SYS_ADMIN")
        self.assertEqual(container_of(rendered({"tlsBefore66": True}))["securityContext"]["capabilities"]["add"], added)

    def test_rights_are_the_least(self):
        for objects in map(kustomized, KUSTOMIZATIONS):
            for rule in one(objects, "ClusterRole")["rules"]:
                self.assertLessEqual(set(rule["verbs"]), {"get", "list", "watch"})
                self.assertLessEqual(set(rule["resources"]), {"pods", "services", "endpointslices", "replicasets", "jobs"})

    def test_host_paths_are_read_only_and_few(self):
        for objects in map(kustomized, KUSTOMIZATIONS):
            pod = one(objects, "DaemonSet")["spec"]["template"]["spec"]
            host = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
            self.assertEqual(set(host.values()), {"/sys/fs/cgroup", "/var/log/pods"})
            for mount in pod["containers"][0]["volumeMounts"]:
                if mount["name"] in host:
                    self.assertTrue(mount.get("readOnly"), mount)
            self.assertTrue(pod["hostPID"])
            self.assertFalse(pod.get("hostNetwork") or pod.get("hostIPC"))

    def test_a_configuration_that_reloads(self):
        """Without a hash in its name, and not mounted by subPath: else a change would restart the pods, or never arrive."""
        for name in KUSTOMIZATIONS:
            self.assertEqual([each["metadata"]["name"] for each in kustomized(name) if each["kind"] == "ConfigMap"], ["sonde"])
            mount = next(each for each in container_of(kustomized(name))["volumeMounts"] if each["name"] == "config")
            self.assertNotIn("subPath", mount)

    def test_the_configurations_are_good(self):
        sonde = os.environ.get("SONDE_BINARY") or str(ROOT / "build" / "release" / "sonde")
        secret = pathlib.Path("/etc/sonde-token/token")
        for name in KUSTOMIZATIONS:
            text = one(kustomized(name), "ConfigMap")["data"]["sonde.yaml"]
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file, tempfile.NamedTemporaryFile("w") as token:
                token.write("0123456789abcdef\n")
                token.flush()
                file.write(text.replace(str(secret), token.name))
                file.flush()
                done = subprocess.run([sonde, "check-config", file.name], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, f"{name}: {done.stdout}{done.stderr}")

    def test_rules_are_those_of_prometheus(self):
        run("/usr/bin/python3", str(DEPLOY / "kubernetes" / "make_rules.py"), "--check", env={"PYTHONDONTWRITEBYTECODE": "1"})
        made = one(kustomized("overlays/production"), "PrometheusRule")["spec"]
        groups = []
        for path in (DEPLOY / "prometheus" / "recording.yml", DEPLOY / "prometheus" / "rules" / "sonde.yaml"):
            groups += yaml.safe_load(path.read_text())["groups"]
        self.assertEqual(made, {"groups": groups})


if __name__ == "__main__":
    unittest.main(verbosity=2)
