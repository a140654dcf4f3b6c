#!/bin/sh
# Installs what the tests in a browser need: Chromium and its driver (from Debian), and axe-core
# (from npm) below target/. What is there already is left alone.
set -eu
cd "$(dirname "$0")/../.."

. tests/packages.sh

has chromium && has chromedriver || packages chromium chromium-driver
has npm || packages nodejs npm

axe=${CARGO_TARGET_DIR:-target}/tmp/axe
if ! cmp -s tests/browser/package-lock.json "$axe/installed"; then
    installs "axe-core below $axe"
    mkdir -p "$axe"
    cp tests/browser/package.json tests/browser/package-lock.json "$axe"
    npm ci --prefix "$axe" --ignore-scripts --no-audit --no-fund --loglevel=error
    cp tests/browser/package-lock.json "$axe/installed"
fi
