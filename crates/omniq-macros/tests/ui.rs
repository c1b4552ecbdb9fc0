//! Compares the compiler's messages about misuses with the `.stderr` files, and compiles what must be accepted.
//! After a message has changed, run `TRYBUILD=overwrite cargo test -p omniq-macros --test ui` and read the difference.

#[test]
fn misuses_have_the_expected_messages() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
