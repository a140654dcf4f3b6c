# Commands for people who change worldcast; `just` lists them. See CONTRIBUTING.md.

clients := justfile_directory() / "target/tmp/clients"

# Lists the commands.
default:
    @just --list --unsorted

# Starts the server with the page of this folder at http://localhost:3000/.
run *arguments:
    cargo run --release --locked -- {{arguments}}

# Runs the tests, or those of one target: `just test --test browser messages`.
test *arguments:
    PATH="{{clients}}/bin:$PATH" NODE_PATH="{{clients}}/node_modules" cargo test --locked {{arguments}}

# Checks format and lints of Rust, and the types of static/.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    tests/browser/types.sh

# Builds the documentation of the crate, with warnings as errors.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

# Checks licenses, advisories and sources of the dependencies; needs cargo-deny.
deny:
    cargo deny --locked check

# Compares two builds: `just bench --against OTHER/target/release/worldcast single burst`.
bench *arguments:
    cargo run --release --locked -p worldcast-bench -- {{arguments}}

# Runs the stress test: clients publish, lag, disconnect and reconnect, checked against a model.
stress *arguments:
    cargo test --release --locked --test stress -- {{arguments}}

# Installs what the checks need; asks for root.
setup:
    .ci/setup

# Runs everything that must pass before a change lands.
ci:
    .ci/run
