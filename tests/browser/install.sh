#!/bin/sh
# Installs what the tests in a browser need: Chromium and its driver (from Debian), and axe-core (from npm) below
# target/. What is there already is left alone.
set -eu
cd "$(dirname "$0")/../.."

has() { command -v "$1" >/dev/null; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

packages() {
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"
}

has chromium && has chromedriver || packages chromium chromium-driver
has npm || packages nodejs npm

axe=${CARGO_TARGET_DIR:-target}/tmp/axe
if ! cmp -s tests/browser/package-lock.json "$axe/installed"; then
    mkdir -p "$axe"
    cp tests/browser/package.json tests/browser/package-lock.json "$axe"
    npm ci --prefix "$axe" --ignore-scripts --no-audit --no-fund --loglevel=error
    cp tests/browser/package-lock.json "$axe/installed"
fi
