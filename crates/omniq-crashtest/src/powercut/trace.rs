//! Reads the lines that strace writes with the options `-f -y -xx`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use crate::HarnessResult;

/// A system call that has returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Syscall {
    pub(super) name: String,
    /// The arguments, as strace prints them.
    pub(super) args: Vec<String>,
    /// The value that it returned; negative if it failed.
    pub(super) returned: i64,
    /// The number of the line on which it began.
    pub(super) began: usize,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// A call began that has not returned yet. The number of its line names it.
    Began(Syscall),
    /// A call has returned. If it began on an earlier line, the number of that line names it.
    Returned(Syscall),
    /// Something else: a process exited.
    Other,
}

/// Puts the two halves of interrupted lines together.
#[derive(Default)]
pub(super) struct Reader {
    /// The first half of the call of each thread, and its line.
    open: HashMap<String, (String, usize)>,
}

impl Reader {
    /// Reads the line with this number.
    ///
    /// # Errors
    ///
    /// Returns an error if the line is not understood.
    pub(super) fn read(&mut self, line: &str, number: usize) -> HarnessResult<Said> {
        let unclear = || {
            format!(
                "line {number} of the trace is not understood: {}",
                head(line)
            )
        };
        let (thread, text) = line.split_once(' ').ok_or_else(unclear)?;
        let text = text.trim_start();
        if text.starts_with("+++") || text.starts_with("---") || text.starts_with("???") {
            return Ok(Said::Other);
        }
        if let Some(first) = text.strip_suffix("<unfinished ...>") {
            let first = first.trim_end().to_owned();
            let began = parse(&first, None, number).ok_or_else(unclear)?;
            self.open.insert(thread.to_owned(), (first, number));
            return Ok(Said::Began(began));
        }
        let (text, began) = match text.strip_prefix("<... ") {
            Some(rest) => {
                let (_, rest) = rest.split_once(" resumed>").ok_or_else(unclear)?;
                let (first, began) = self.open.remove(thread).ok_or_else(unclear)?;
                (format!("{first}{rest}"), began)
            }
            None => (text.to_owned(), number),
        };
        let (call, returned) = text.rsplit_once(" = ").ok_or_else(unclear)?;
        if returned.starts_with('?') {
            return Ok(Said::Other);
        }
        let call = call.trim_end().strip_suffix(')').ok_or_else(unclear)?;
        let syscall = parse(call, Some(returned), began).ok_or_else(unclear)?;
        Ok(Said::Returned(syscall))
    }
}

fn parse(call: &str, returned: Option<&str>, began: usize) -> Option<Syscall> {
    let (name, args) = call.split_once('(')?;
    // Strings are hexadecimal, so that they contain no comma.
    let args = args.trim_end_matches(',').split(", ").map(str::to_owned);
    let returned = match returned {
        Some(text) => {
            let end = text.find([' ', '<']).unwrap_or(text.len());
            match text[..end].strip_prefix("0x") {
                // An address.
                Some(_) => 0,
                None => text[..end].parse().ok()?,
            }
        }
        None => 0,
    };
    Some(Syscall {
        name: name.to_owned(),
        args: args.collect(),
        returned,
        began,
    })
}

/// Returns the beginning of a line, which may be megabytes long.
fn head(line: &str) -> String {
    line.chars().take(200).collect()
}

impl Syscall {
    /// Returns the number and the path of the descriptor in an argument. There is no path if the file was removed.
    pub(super) fn descriptor(&self, index: usize) -> Option<(&str, PathBuf)> {
        let (number, path) = self.args.get(index)?.split_once('<')?;
        Some((number, path_of(path.strip_suffix('>')?)?))
    }

    /// Returns the path in an argument. If it is relative, it begins at the descriptor in the argument `folder`.
    pub(super) fn path(&self, folder: Option<usize>, index: usize) -> Option<PathBuf> {
        let path = path_of(quoted(self.args.get(index)?)?)?;
        if path.is_absolute() {
            return Some(path);
        }
        let (_, folder) = self.descriptor(folder?)?;
        Some(folder.join(path))
    }

    /// Returns the bytes in an argument.
    pub(super) fn bytes(&self, index: usize) -> Option<Vec<u8>> {
        unescape(quoted(self.args.get(index)?)?)
    }

    /// Returns the number in an argument.
    pub(super) fn number(&self, index: usize) -> Option<u64> {
        self.args.get(index)?.parse().ok()
    }

    /// Whether an argument names one of these flags.
    pub(super) fn has_flag(&self, index: usize, flag: &str) -> bool {
        let flags = self.args.get(index).map_or("", String::as_str);
        flags.split('|').any(|one| one == flag)
    }

    /// Returns all paths that the call names.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        // The second argument of a write is data.
        let count = match self.name.as_str() {
            "write" | "pwrite64" => 1,
            _ => self.args.len(),
        };
        (0..count).filter_map(|index| {
            let descriptor = self.descriptor(index).map(|(_, path)| path);
            // A relative path follows the descriptor of its folder.
            descriptor.or_else(|| self.path(index.checked_sub(1), index))
        })
    }
}

fn quoted(arg: &str) -> Option<&str> {
    arg.strip_prefix('"')?.strip_suffix('"')
}

fn path_of(text: &str) -> Option<PathBuf> {
    Some(OsString::from_vec(unescape(text)?).into())
}

/// Decodes `\x2f`; other characters stand for themselves.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text;
    while let Some((first, others)) = rest.split_first() {
        if *first == b'\\' {
            let (code, after) = others.strip_prefix(b"x")?.split_at_checked(2)?;
            let code = std::str::from_utf8(code).ok()?;
            bytes.push(u8::from_str_radix(code, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = others;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_and_an_interrupted_line_are_read() {
        let mut reader = Reader::default();
        let line = r#"7 pwrite64(12<\x2f\x61>, "\x00\x41", 2, 512) = 2"#;
        let Said::Returned(call) = reader.read(line, 0).unwrap() else {
            panic!("{line}")
        };
        assert_eq!(call.descriptor(0), Some(("12", PathBuf::from("/a"))));
        assert_eq!(call.bytes(1), Some(vec![0, 0x41]));
        assert_eq!((call.number(3), call.returned), (Some(512), 2));
        assert!(call.paths().eq([PathBuf::from("/a")]));

        let began = reader
            .read(r#"7 fsync(3<\x2f\x61> <unfinished ...>"#, 1)
            .unwrap();
        assert!(matches!(began, Said::Began(call) if call.name == "fsync"));
        let other = reader.read("8 +++ exited with 0 +++", 2).unwrap();
        assert_eq!(other, Said::Other);
        let line = "7 <... fsync resumed>)          = -1 EIO (Input/output error)";
        let Said::Returned(call) = reader.read(line, 3).unwrap() else {
            panic!("{line}")
        };
        assert_eq!(
            (call.name.as_str(), call.returned, call.began),
            ("fsync", -1, 1)
        );
        assert!(reader.read("7 nonsense", 4).is_err());
    }

    #[test]
    fn a_relative_path_begins_at_its_descriptor() {
        let mut reader = Reader::default();
        let line = r#"7 openat(4<\x2f\x61>, "\x62", O_RDWR|O_CREAT, 0644) = 5<\x2f\x61\x2f\x62>"#;
        let Said::Returned(call) = reader.read(line, 0).unwrap() else {
            panic!("{line}")
        };
        assert_eq!(call.path(Some(0), 1), Some(PathBuf::from("/a/b")));
        assert!(call.has_flag(2, "O_CREAT") && !call.has_flag(2, "O_TRUNC"));
        assert_eq!(call.returned, 5);
    }
}
