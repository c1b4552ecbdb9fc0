# The commands of this repository. `just` lists them; each is plain cargo underneath.

default:
    @just --list

# What CI checks, in the same order
ci:
    bash .ci/run

# Formatting and lints
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

# Every test
test:
    cargo test --workspace --all-features --locked

# The main job, on a folder of your choice
quickstart folder=".":
    cargo run --release -p quickstart -- {{folder}}

# Line coverage of the libraries, as a page in target/coverage (cargo install cargo-tarpaulin --locked)
coverage $CARGO_TARGET_DIR="target/coverage":
    cargo build -p omniq-local --examples --locked
    cargo tarpaulin --engine llvm --workspace --all-features --locked --skip-clean --timeout 300 \
        --exclude omniq-crashtest --exclude xtask \
        --exclude-files 'crates/*/tests/*' 'crates/*/examples/*' 'crates/omniq-crashtest/*' 'xtask/*' 'bench/*' \
        --out Html --output-dir target/coverage

# The documentation, in a browser
docs:
    cargo doc --workspace --no-deps --all-features --open

# OmniQ beside other queues and the raw limit, in turn: writes docs/benchmarks.md (about an hour)
bench:
    bench/run compare

# The same with fewer tasks and rounds (10 minutes on 2 cores, once built)
bench-short:
    bench/run compare --short --rounds 3

# Instructions of the core paths: fails if one takes more than 5 % more than it did (needs valgrind)
instructions:
    bench/run instructions

# How long things take between real processes, and 200 random kills: prints a table
figures:
    cargo run --release --locked -p omniq-crashtest -- figures
