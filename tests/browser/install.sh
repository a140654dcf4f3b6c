#!/bin/sh
# Installs what the tests in a browser need: Chromium and its driver (Debian, Ubuntu), and axe-core (npm) below
# target/. What is there already is left alone.
set -eu
cd "$(dirname "$0")/../.."

packages() {
    if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"
}

has() { command -v "$1" >/dev/null; }

has chromium && has chromedriver || packages chromium chromium-driver
has npm || packages nodejs npm

axe=${CARGO_TARGET_DIR:-target}/tmp/axe
mkdir -p "$axe"
cp tests/browser/package.json tests/browser/package-lock.json "$axe"
npm ci --prefix "$axe" --ignore-scripts --no-audit --no-fund --loglevel=error
