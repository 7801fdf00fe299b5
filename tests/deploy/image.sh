#!/usr/bin/env bash
# Builds the image of deploy/Dockerfile as an operator does, and watches with it (image_check.py, to which arguments go). Root.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/packages.sh
. deploy/packages.sh

ensure_packages "${image_packages[@]}"
exec /usr/bin/python3 tests/deploy/image_check.py "$@"
