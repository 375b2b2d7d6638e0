#!/usr/bin/env bash
# Runs a command with a container engine, on a Debian where there is none and no registry either:
#     tests/containers/engine.sh make test-containers
# With --fetch in place of a command it only gets what takes long to get, and starts nothing.
# Where an engine answers, the command just runs. Else it needs root, and README.md beside it says
# what it does. Exits with 69 where no engine can be had, and with the command's code otherwise.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly UNAVAILABLE=69
readonly PACKAGES=(docker.io docker-compose debootstrap iptables)
readonly COMMANDS=(dockerd docker docker-compose debootstrap iptables)
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/vitrine

say() { printf 'engine (%d s): %s\n' "$SECONDS" "$*" >&2; }

give_up() {
    say "no engine to be had here: $*"
    exit "$UNAVAILABLE"
}

answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

missing() {
    local command
    for command in "${COMMANDS[@]}"; do
        command -v "$command" >/dev/null || return 0
    done
    return 1
}

# Arguments are those of `apt-get install`.
apt_install() {
    local step
    command -v apt-get >/dev/null || give_up 'it is installed with apt-get'
    say "apt-get install $*"
    for step in update "install -y --no-install-recommends $*"; do
        # shellcheck disable=SC2086 # words
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq $step \
            >"$work/apt.log" 2>&1 || give_up "apt-get: $(tail -3 "$work/apt.log")"
    done
}

# It changes no firewall rule and forwards nothing: ports on 127.0.0.1 go through a proxy process,
# and containers reach each other and nothing else. A stray pull fails at once, at a closed port.
start_engine() {
    local -r no_registry=http://127.0.0.1:9
    ip link show docker0 >/dev/null 2>&1 || own_bridge=docker0
    export DOCKER_HOST=unix://$work/docker.sock DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1
    HTTP_PROXY=$no_registry HTTPS_PROXY=$no_registry dockerd --host "$DOCKER_HOST" \
        --data-root "$work/data" --exec-root "$work/run" --pidfile "$work/pid" \
        --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
        >"$work/dockerd.log" 2>&1 &
    daemon=$!
    for _ in {1..60}; do
        ! answers || return 0
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.5
    done
    give_up "dockerd: $(tail -3 "$work/dockerd.log")"
}

# shellcheck disable=SC2317,SC2329 # the trap calls it
stop_engine() {
    set +e # what is not there need not be removed
    if [ -n "$daemon" ]; then
        docker ps --all --quiet | xargs --no-run-if-empty docker rm --force >/dev/null
        docker network prune --force >/dev/null # each is a bridge of the host
        kill "$daemon"
        wait "$daemon"
        [ -z "$own_bridge" ] || ip link delete "$own_bridge"
        awk -v work="$work/" 'index($2, work) == 1 { print $2 }' /proc/self/mounts | sort --reverse |
            xargs --no-run-if-empty umount
        rmdir /run/containerd/s /run/containerd /run/docker/plugins /run/docker \
            /sys/fs/cgroup/{,*/}docker/buildkit /sys/fs/cgroup/{,*/}docker 2>/dev/null # if empty
        say 'stopped; its containers and networks are gone, and its images will be in half a minute'
    fi
    rm -rf "$work" </dev/null >/dev/null 2>&1 & # nobody has to wait for gigabytes to go
}

# Debian's own Python 3, as small as `python:*-slim`: without manuals, translations and apt's lists.
make_tarball() {
    local mirror
    [ ! -e "$tarball" ] || return 0
    # shellcheck disable=SC2016 # apt-get fills it in
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
        "Codename: $VERSION_CODENAME" 'Component: main' | head -1)
    say "making a base image: debootstrap $VERSION_CODENAME, a minute"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
        "$VERSION_CODENAME" "$work/base" "$mirror" >"$work/debootstrap.log" 2>&1 ||
        give_up "debootstrap: $(tail -3 "$work/debootstrap.log")"
    rm -rf "$work"/base/usr/share/{doc,man,locale,info}/* \
        "$work"/base/var/{cache/apt/archives,lib/apt/lists,log}/*
    mkdir -p "$CACHE"
    tar -C "$work/base" -cf "$tarball.$$" .
    mv "$tarball.$$" "$tarball"
    rm -rf "$work/base"
}

import_tarball() {
    export PYTHON_IMAGE=vitrine-base:$VERSION_CODENAME
    docker import "$tarball" "$PYTHON_IMAGE" >/dev/null
    say "base image $PYTHON_IMAGE: $(docker image inspect --format '{{.Size}}' "$PYTHON_IMAGE") bytes"
}

# For the base image's Python, which is this machine's /usr/bin/python3: they are of one release.
fetch_wheels() {
    local lock wanted
    [ -e .venv/.ready ] || make setup >&2
    for lock in build gateway model-server training; do
        wanted=$(/usr/bin/python3 --version; cksum "requirements/$lock.txt")
        if [ "$(cat "wheelhouse/.$lock" 2>/dev/null)" != "$wanted" ]; then
            nice .venv/bin/python -m pip --python /usr/bin/python3 download --quiet \
                --disable-pip-version-check --only-binary=:all: --no-deps --require-hashes \
                --requirement "requirements/$lock.txt" --dest "wheelhouse/$lock" >"$work/pip.log" 2>&1 ||
                give_up "pip download: $(tail -3 "$work/pip.log")"
            echo "$wanted" >"wheelhouse/.$lock"
        fi
        say "wheelhouse/$lock: $(du -sm "wheelhouse/$lock" | cut -f1) MB"
    done
}

# Of the packages it installs one: others may start an engine, which then has nothing to build from.
fetch() {
    if missing; then
        apt_install --download-only "${PACKAGES[@]}"
        apt_install debootstrap
    fi
    make_tarball
    fetch_wheels
}

main() {
    export PATH=/usr/sbin:/usr/bin:$PATH # Debian's client goes with Debian's engine
    if answers; then
        [ "$1" = --fetch ] || exec "$@"
        return
    fi
    [ "$(id -u)" = 0 ] || give_up 'none answers, and starting one takes root'
    # shellcheck source=/dev/null
    . /etc/os-release
    [ "$ID" = debian ] || give_up 'starting one is written for Debian'
    work=$(mktemp -d /var/tmp/vitrine-engine.XXXXXX)
    trap stop_engine EXIT
    trap 'exit 143' INT TERM HUP
    tarball=$CACHE/base-$VERSION_CODENAME-$(dpkg --print-architecture).tar
    if [ "$1" = --fetch ]; then
        fetch
        return
    fi
    ! missing || apt_install "${PACKAGES[@]}"
    answers || start_engine
    say "engine $(docker version --format '{{.Server.Version}}'), Compose $(docker-compose version --short)"
    make_tarball
    import_tarball
    fetch_wheels
    export PIP_NO_INDEX=1
    "$@"
}

[ $# -gt 0 ] || { say 'give a command to run'; exit 2; }
daemon=
own_bridge=
main "$@"
exit # here, as bash reads on in a file that was changed meanwhile
