#!/bin/sh
# Checks the types of the page's scripts, which stand in their comments (JSDoc). TypeScript is where
# NODE_PATH says, or where tests/server/clients/install.sh put it.
set -eu
cd "$(dirname "$0")/../.."

export NODE_PATH="${NODE_PATH:-$PWD/${CARGO_TARGET_DIR:-target}/tmp/clients/node_modules}"
node -e "require.resolve('typescript')" 2>/dev/null || {
    echo "missing: node with TypeScript; .ci/setup installs both" >&2
    exit 1
}
exec node -e "require('typescript/lib/tsc.js')" tsc --project tests/browser/jsconfig.json
