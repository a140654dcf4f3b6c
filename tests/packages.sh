# Functions that the scripts share which install something for the tests.

has() { command -v "$1" >/dev/null; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Every installation asks this first. With WORLDCAST_SETUP=check nothing is installed, and the
# script ends here.
installs() {
    [ "${WORLDCAST_SETUP:-}" = check ] || return 0
    echo "missing: $*; .ci/setup installs it" >&2
    exit 1
}

# Installs packages of Debian.
packages() {
    installs "$@"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"
}
