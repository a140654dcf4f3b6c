#!/bin/sh
# Installs the servers that the benchmark compares with, from npm, PyPI and crates.io, beside this
# script. Needs node 20, npm, python 3.10 and cargo. `install.sh js`, `python` or `rust` installs
# only these.
set -eu
cd "$(dirname "$0")"

js() {
    npm ci --no-audit --no-fund --loglevel=error
    ./node_modules/.bin/bun --version
}

python() {
    python3 -m venv venv
    ./venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt
}

rust() {
    cargo build --release --locked --manifest-path rust/Cargo.toml
}

for language in "${@:-js python rust}"; do
    for each in $language; do $each; done
done
