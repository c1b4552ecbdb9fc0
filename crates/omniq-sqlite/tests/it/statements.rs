//! Tests the files of statements: each has a header, is used, and fits the others.

use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Returns every file below a folder with this extension.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found
}

pub(crate) fn statement(name: &str) -> String {
    std::fs::read_to_string(source().join("sql").join(name)).unwrap()
}

#[test]
fn every_statement_header_describes_parameters_results_and_changes() {
    let statements = files(&source().join("sql"), "sql");
    assert!(statements.len() > 20);
    for path in statements {
        if path.parent().unwrap().ends_with("migrations") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let labelled = text.starts_with("-- In: ") || text.starts_with("-- Out: ");
        assert!(labelled, "{}", path.display());
        let body = text.lines().skip_while(|line| line.starts_with("--"));
        let verb = body.flat_map(str::split_whitespace).next();
        let head = text.lines().take_while(|line| line.starts_with("--"));
        let head = head.collect::<Vec<_>>().join(" ");
        let part = if verb == Some("SELECT") {
            "Out: "
        } else {
            "Changes: "
        };
        assert!(
            head.contains(part),
            "the header of {} has no {part}",
            path.display()
        );
    }
}

#[test]
fn every_statement_is_used() {
    let code: String = files(&source(), "rs")
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let folder = source().join("sql");
    for path in files(&folder, "sql") {
        let name = path.strip_prefix(&folder).unwrap().display();
        let used = [
            format!("include_str!(\"sql/{name}\")"),
            format!("include_str!(\"../sql/{name}\")"),
        ];
        assert!(used.iter().any(|u| code.contains(u)), "{name} is not used");
    }
}

/// Returns the columns between two words, without their table.
fn columns(sql: &str, from: &str, to: &str) -> Vec<String> {
    let (_, rest) = sql.split_once(from).unwrap();
    let list = rest.split_once(to).map_or(rest, |(list, _)| list);
    let bare = |column: &str| column.trim().trim_start_matches("t.").to_owned();
    list.split(',').map(bare).collect()
}

/// `row.rs` reads columns by position.
#[test]
fn complete_tasks_have_one_order_of_columns() {
    let get = columns(&statement("get.sql"), "SELECT ", "FROM");
    assert_eq!(get.len(), 26);
    assert_eq!(columns(&statement("get_many.sql"), "SELECT ", "FROM"), get);
    assert_eq!(columns(&statement("list.sql"), "SELECT ", "FROM"), get);
}
