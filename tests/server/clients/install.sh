#!/bin/sh
# Installs what the tests run beside the server: Redis, nginx, and clients in other languages, with
# libraries of Python and Node below target/tmp/clients. Put target/tmp/clients/bin in front of PATH.
# What is there already is left alone.
set -eu
here=tests/server/clients
cd "$(dirname "$0")/../../.."

. tests/packages.sh

has npm || packages nodejs npm
has curl || packages curl
has promtool || packages prometheus
has java || packages openjdk-17-jdk-headless
has redis-server || packages redis-server
has nginx || [ -x /usr/sbin/nginx ] || packages nginx
python3 -c "import venv, ensurepip" || packages python3 python3-venv

clients=${CARGO_TARGET_DIR:-target}/tmp/clients
if ! cat $here/requirements.txt $here/package-lock.json | cmp -s - "$clients/installed"; then
    installs "clients in other languages below $clients"
    python3 -m venv "$clients"
    "$clients/bin/pip" install --quiet --disable-pip-version-check --requirement $here/requirements.txt
    cp $here/package.json $here/package-lock.json "$clients"
    npm ci --prefix "$clients" --ignore-scripts --no-audit --no-fund --loglevel=error
    cat $here/requirements.txt $here/package-lock.json >"$clients/installed"
fi
