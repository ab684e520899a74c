# Thin names for the commands in the README. `just` lists them.

_default:
    @just --list --unsorted

# Run an experiment: just run manifests/full.toml [more arguments]
run manifest *arguments:
    cargo run --release --locked -- run {{manifest}} {{arguments}}

# The quick first run
smoke: (run "manifests/smoke.toml")

# Everything the manifest full.toml asks for
full: (run "manifests/full.toml")

# Every test
test:
    cargo test --workspace --locked

# Formatting and lints, as CI checks them
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Benchmarks: ratios measured side by side
bench *arguments:
    cargo bench --workspace --locked {{arguments}}

# Exactly what CI runs
ci:
    bash .ci/run
