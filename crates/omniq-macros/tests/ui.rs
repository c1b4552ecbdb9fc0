//! What a misuse prints, and what must compile. After a change of words: `TRYBUILD=overwrite cargo test -p
//! omniq-macros --test ui`, and read what came out.

#[test]
fn misuses_are_told_in_plain_words() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
