"""The systemd unit, the Debian package and the compose project, as far as a machine without either can tell."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SONDE_BINARY") or ROOT / "build" / "release" / "sonde").parent
UNIT = ROOT / "deploy" / "systemd" / "sonde.service"


def run(*argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, argv))}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Unit(unittest.TestCase):
    def test_systemd_understands_it(self):
        with tempfile.TemporaryDirectory() as directory:
            unit = pathlib.Path(directory) / "sonde.service"
            # the program is not installed here
            unit.write_text(UNIT.read_text().replace("/usr/bin/sonde", "/bin/true"))
            self.assertEqual(run("systemd-analyze", "verify", "--man=no", str(unit)).strip(), "")

    def test_little_is_exposed(self):
        with tempfile.TemporaryDirectory() as directory:
            shutil.copy(UNIT, directory)
            text = run("systemd-analyze", "security", "--offline=true", f"{directory}/sonde.service")
        exposure = float(re.search(r"exposure level for sonde.service: ([\d.]+)", text)[1])
        print(f"systemd-analyze security: exposure {exposure}")
        self.assertLess(exposure, 4.0, text)


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        run("cpack", "--config", str(BUILD / "CPackConfig.cmake"), "-B", cls.directory.name)
        cls.package = next(pathlib.Path(cls.directory.name).glob("*.deb"))
        print(f"{cls.package.name}: {cls.package.stat().st_size / 1e6:.1f} MB")

    def test_contents(self):
        listed = {line.split()[-1].removeprefix("."): line.split()[0]
                  for line in run("dpkg-deb", "--contents", str(self.package)).splitlines()}
        for path in ("/usr/bin/sonde", "/usr/lib/systemd/system/sonde.service", "/etc/sonde/sonde.yaml",
                     "/usr/share/doc/sonde/configuration.md", "/usr/share/doc/sonde/privileges.md",
                     "/usr/share/sonde/grafana/dashboards/overview.json", "/usr/share/sonde/prometheus/recording.yml"):
            self.assertIn(path, listed)
        self.assertEqual(listed["/usr/bin/sonde"], "-rwxr-xr-x")
        self.assertEqual([path for path in listed if path.startswith(("/usr/local", "/opt", "/home", "/var"))], [])

    def test_control(self):
        control = run("dpkg-deb", "--field", str(self.package))
        self.assertIn("Package: sonde", control)
        for library in ("libbpf1", "libseccomp2", "libcurl4", "libc6"):
            self.assertIn(library, re.search(r"Depends: (.*)", control)[1])
        with tempfile.TemporaryDirectory() as directory:
            run("dpkg-deb", "--control", str(self.package), directory)
            self.assertEqual(pathlib.Path(directory, "conffiles").read_text(), "/etc/sonde/sonde.yaml\n")
            for script in ("postinst", "prerm", "postrm"):
                self.assertTrue(os.access(pathlib.Path(directory, script), os.X_OK))
                run("shellcheck", "-s", "sh", str(pathlib.Path(directory, script)))

    def test_what_it_installs_runs(self):
        with tempfile.TemporaryDirectory() as root:
            run("dpkg-deb", "--extract", str(self.package), root)
            self.assertIn("sonde", run(f"{root}/usr/bin/sonde", "version"))
            run(f"{root}/usr/bin/sonde", "check-config", f"{root}/etc/sonde/sonde.yaml")


class Compose(unittest.TestCase):
    """No registry can be reached here: what the files say is checked, not what the images do."""

    def setUp(self):
        self.place = ROOT / "deploy" / "compose"
        self.project = yaml.safe_load((self.place / "compose.yaml").read_text())

    def test_every_mounted_file_is_there(self):
        for name, service in self.project["services"].items():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((self.place / source).exists(), f"{name}: {source}")
                elif not source.startswith("/"):
                    self.assertIn(source, self.project["volumes"], name)

    def test_ports_are_on_loopback(self):
        for name, service in self.project["services"].items():
            for port in service.get("ports", []):
                self.assertTrue(port.startswith("127.0.0.1:"), f"{name}: {port}")

    def test_the_capabilities_are_the_documented_ones(self):
        documented = re.findall(r"^\| `CAP_(\w+)` \|", (ROOT / "docs" / "privileges.md").read_text(), re.M)
        self.assertEqual(self.project["services"]["sonde"]["cap_add"], documented)
        self.assertNotIn("privileged", self.project["services"]["sonde"])

    def test_the_configurations_are_good(self):
        run(str(BUILD / "sonde"), "check-config", str(self.place / "sonde.yaml"))
        with tempfile.TemporaryDirectory() as directory:
            shutil.copytree(ROOT / "deploy" / "prometheus", directory, dirs_exist_ok=True)
            shutil.copy(self.place / "targets.yml", pathlib.Path(directory) / "targets" / "sonde.yml")
            run("promtool", "check", "config", f"{directory}/prometheus.yml")
        for path in (ROOT / "deploy" / "grafana" / "provisioning").rglob("*.yaml"):
            self.assertEqual(yaml.safe_load(path.read_text())["apiVersion"], 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
