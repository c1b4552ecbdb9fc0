//! Tests a process that may open no more files. The limit is that of a process, so this program starts itself with
//! this one test.

use std::fs::File;
use std::process::Command;

use crate::common::{TestDatabase, open};

const NAME: &str = "too_many_files::the_limit_is_named";
const MARK: &str = "OMNIQ_TEST_FEW_FILES";

#[test]
fn the_limit_is_named() {
    if std::env::var_os(MARK).is_some() {
        return with_few_files();
    }
    let program = std::env::current_exe().unwrap();
    let ended = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\""])
        .arg(program)
        .arg(NAME)
        .env(MARK, "1")
        .output()
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
}

/// Opens the database when no more file may be opened, then one more, and so on, until there are enough.
fn with_few_files() {
    let db = TestDatabase::new();
    drop(db.open());
    let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let mut errors = Vec::new();
    let opened = loop {
        match open(&db.path) {
            Ok(opened) => break opened,
            Err(error) => errors.push(error),
        }
        files.pop().expect("the database is never opened");
    };
    drop(opened);
    assert!(errors.len() >= 3, "{errors:?}");
    for error in errors {
        let text = error.to_string();
        assert!(text.contains("ulimit -n"), "{text}");
        assert!(error.is_retryable(), "{text}");
    }
}
