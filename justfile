# The commands of this repository. `just` lists them. Each is plain cargo underneath.

default:
    @just --list

# What CI checks, in the same order (under 20 minutes on 2 cores, nothing built before)
ci:
    .ci/run

# After each small change: formatting, lints, unit tests, rules, fast exams (under a minute, once built)
quick:
    cargo fmt --all --check
    cargo clippy --workspace --lib --bins --all-features --locked -- -D warnings
    cargo test --workspace --exclude omniq-file --all-features --locked --lib \
        --test conformance --test rules --test arrows --test cycles --test tidy --test twins --test words

# Formatting and lints
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

# All tests
test:
    cargo test --workspace --all-features --locked

# The main job: the SHA-256 of every file below a folder
quickstart folder=".":
    cargo run --release -p quickstart --locked -- "{{folder}}"

# Line coverage of the libraries, as a page in target/coverage (cargo install cargo-tarpaulin --locked)
coverage $CARGO_TARGET_DIR="target/coverage":
    cargo build -p omniq-writer --examples --locked
    cargo tarpaulin --engine llvm --workspace --all-features --locked --skip-clean --timeout 300 \
        --exclude omniq-crashtest --exclude quickstart --exclude xtask \
        --exclude-files 'crates/*/tests/*' 'crates/*/examples/*' 'crates/omniq-crashtest/*' 'xtask/*' 'bench/*' \
        --out Html --output-dir target/coverage

# Licences, advisories and sources of the dependencies (cargo install --locked cargo-deny)
deny:
    cargo deny --all-features check

# The documentation, in a browser
docs:
    cargo doc --workspace --no-deps --all-features --open

# Compares OmniQ with other queues and the raw limit, in turn: writes docs/benchmarks.md (about an hour)
bench:
    bench/run compare

# The same with fewer tasks and rounds (10 minutes on 2 cores, once built)
bench-short:
    bench/run compare --short --rounds 3

# Counts the instructions of the core paths: fails if one takes over 5 % more than recorded (needs valgrind)
instructions:
    bench/run instructions

# Eight processes with random kills and stops: are their operations linearizable? (2 minutes; or: just linearize --seed 7)
linearize *options="--seconds 60":
    cargo run --release --locked -p omniq-crashtest -- linearize --storage sqlite {{options}}
    cargo run --release --locked -p omniq-crashtest -- linearize --storage file {{options}}

# Opens what power cuts at random points below real processes can leave (a minute; needs Linux and strace)
powercut *options="--images 300":
    cargo run --release --locked -p omniq-crashtest -- powercut --storage sqlite {{options}}
    cargo run --release --locked -p omniq-crashtest -- powercut --storage file {{options}}

# Measures latencies between real processes, and kills 200 at random: prints a table
figures:
    cargo run --release --locked -p omniq-crashtest -- figures
