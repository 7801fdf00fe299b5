#!/usr/bin/env python3
"""Wraps the rules of deploy/prometheus for Kubernetes: as a PrometheusRule, and as the Helm chart's file.

    make_rules.py           write them
    make_rules.py --check   say which of them are stale
"""

import pathlib
import sys

DEPLOY = pathlib.Path(__file__).resolve().parents[1]
SOURCES = [DEPLOY / "prometheus" / "recording.yml", DEPLOY / "prometheus" / "rules" / "sonde.yaml"]
HEAD = "# Written by deploy/kubernetes/make_rules.py from deploy/prometheus: change it there.\n"
OBJECT = """apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: sonde
spec:
"""


def groups():
    """The groups of all files as the text they are, comments left out: no YAML library, no change of what is written."""
    lines = ["groups:"]
    for path in SOURCES:
        inside = False
        for line in path.read_text().splitlines():
            if line.lstrip().startswith("#"):
                continue
            if line.startswith("groups:"):
                inside = True
            elif line and not line[0].isspace() and not line.startswith("-"):
                inside = False
            elif inside and line.strip():
                # a list may stand at its key's own level
                lines.append(("  " if line.startswith("-") else "") + line)
    return lines


def main():
    files = {
        DEPLOY / "kubernetes" / "components" / "operator" / "prometheus-rule.yaml":
            HEAD + OBJECT + "".join(f"  {line}\n" for line in groups()),
        DEPLOY / "helm" / "sonde" / "files" / "rules.yaml": HEAD + "".join(f"{line}\n" for line in groups()),
    }
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        if stale:
            sys.exit("stale, run deploy/kubernetes/make_rules.py: " + ", ".join(str(path) for path in stale))
        return
    for path in stale:
        path.write_text(files[path])


if __name__ == "__main__":
    main()
