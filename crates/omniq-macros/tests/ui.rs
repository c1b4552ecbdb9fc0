//! Checks the messages for misuses of the attribute. After a change of wording, run `TRYBUILD=overwrite cargo test
//! -p omniq-macros --test ui` and read the difference.
//!
//! What must compile is in `ui/pass`. Those files are test targets of their own (see `Cargo.toml`): without them,
//! trybuild only type-checks, and checks all files in one call of cargo.

#[test]
fn misuses_have_the_expected_messages() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
