# shellcheck shell=bash
# Debian packages that building, testing and the demo need, and how missing ones are installed. Sourced.

# shellcheck disable=SC2034  # used by those who source this
build_packages=(g++ cmake ninja-build pkg-config clang llvm bpftool libbpf-dev libelf-dev libzydis-dev zlib1g-dev liburing-dev
    libnghttp2-dev prometheus-cpp-dev libyaml-cpp-dev libcli11-dev libre2-dev libssl-dev libboost-json1.81-dev libzstd-dev
    libcurl4-openssl-dev libseccomp-dev libprotozero-dev libsnappy-dev)
# shellcheck disable=SC2034  # what the built program loads: deploy/Dockerfile
runtime_packages=(ca-certificates libbpf1 libelf1 libzydis4.0 libboost-json1.81.0 libcurl4 libzstd1 zlib1g libsnappy1v5 libre2-9
    libssl3 libnghttp2-14 libyaml-cpp0.7 libprometheus-cpp-core1.0 libseccomp2 liburing2 libstdc++6)
# shellcheck disable=SC2034
demo_packages=(nginx-light python3)  # and node: nodejs, unless there is one
# shellcheck disable=SC2034
test_packages=(libgtest-dev libbenchmark-dev clang-format libclang-rt-14-dev nginx-light wrk prometheus
    curl python3 shellcheck zstd util-linux mount git apache2-bin apache2-utils haproxy gunicorn openssl wget uvicorn
    python3-uvloop python3-httptools openjdk-17-jdk-headless golang-go caddy nodejs node-express python3-flask python3-fastapi
    nghttp2-server nghttp2-client nghttp2-proxy python3-grpcio python3-h2 python3-websockets node-ws victoria-metrics fio e2fsprogs
    chromium fonts-dejavu-core prometheus-alertmanager python3-aiosmtpd
    python3-yaml golang-github-masterminds-sprig-dev golang-gopkg-yaml.v3-dev dpkg-dev systemd
    podman runc docker.io)
# shellcheck disable=SC2034
kernel_packages=(qemu-system-x86 busybox-static binutils lz4 zstd debian-archive-keyring)  # tests/kernels
# shellcheck disable=SC2034
arm64_packages=(clang lld binutils qemu-user-static mmdebstrap file libgtest-dev debian-archive-keyring)  # tests/arm64
# shellcheck disable=SC2034
image_packages=(podman buildah runc mmdebstrap nginx-light curl python3 util-linux)  # tests/deploy/image.sh
# shellcheck disable=SC2034
soak_packages=(nginx-light curl openssl nghttp2-client nghttp2-server uvicorn python3-websockets zstd)  # tests/soak
# shellcheck disable=SC2034  # tests/bench/run.sh
bench_packages=(libgtest-dev libbenchmark-dev nginx-light wrk fio rsyslog linux-perf openssl python3 util-linux git)
# shellcheck disable=SC2034  # what tests/integration/truth.sh needs besides
truth_packages=(lighttpd lighttpd-mod-openssl caddy varnish python3-uvicorn python3-uvloop python3-httptools
    python3-h11 python3-hypercorn python3-flask golang-go default-jdk-headless puma ruby-rack openssl
    nghttp2-server nghttp2-proxy nghttp2-client python3-grpcio)

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# ensure_packages NAME...: installs those that are missing, without starting any service.
ensure_packages() {
    local missing=() package as_root=()
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if ! command -v apt-get >/dev/null; then
        echo "missing: ${missing[*]}: this script installs them with apt-get, which is not here" >&2
        return 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "run as root to install: ${missing[*]}" >&2; return 1; }
        as_root=(sudo)
    fi
    local log policy=/usr/sbin/policy-rc.d made_policy=
    log=$(mktemp)
    echo "installing ${missing[*]} …"
    # packages must not start their services here: nginx and prometheus are started by whoever needs one
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
        "${as_root[@]}" chmod +x $policy
        made_policy=yes
    fi
    local good=yes
    { "${as_root[@]}" apt-get update -q &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"; } \
        >"$log" 2>&1 || good=
    [ -n "$made_policy" ] && "${as_root[@]}" rm -f $policy
    if [ -z "$good" ]; then
        tail -n 20 "$log" >&2
        echo "apt-get could not install them; all of its words: $log" >&2
        return 1
    fi
    rm -f "$log"
}

# build PRESET [TARGET...]: configures and builds; quiet unless it fails.
build() {
    local preset=$1 log started=$SECONDS
    shift
    log=$(mktemp)
    echo "building ($preset) …"
    if ! { cmake --preset "$preset" && cmake --build --preset "$preset" ${1:+--target "$@"}; } >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        echo "the build failed; all of its output: $log" >&2
        return 1
    fi
    rm -f "$log"
    echo "built ($preset) in $((SECONDS - started)) s"
}
