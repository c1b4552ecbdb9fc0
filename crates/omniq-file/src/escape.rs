//! Turns any text into a file name: unique by escaping, or readable for people.

use sha2::{Digest as _, Sha256};

/// The longest escaped name. File systems allow 255 bytes.
const LONGEST: usize = 200;

/// Returns the file name of a text, which no other text has: `user 42` becomes `user%2042`.
pub(crate) fn escape(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let plain =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && at > 0);
        match plain {
            true => name.push(char::from(byte)),
            false => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.is_empty() || name.len() > LONGEST {
        // Escaped names never contain `%%`.
        let hash = Sha256::digest(text.as_bytes());
        name = hash
            .iter()
            .fold("%%".to_owned(), |name, byte| name + &format!("{byte:02x}"));
    }
    name
}

/// Returns a readable form of a text, for the end of a file name whose beginning is unique.
pub(crate) fn slug(text: &str) -> String {
    let replaced = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-') => letter,
        _ => '-',
    };
    text.chars().take(80).map(replaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_safe_and_unique() {
        let long = "x".repeat(300);
        let texts = [
            "",
            ".",
            "..",
            "a/b",
            "a%2Fb",
            "größe",
            "user 42",
            "%%",
            "a\0",
            &long,
            &long[1..],
        ];
        let names: std::collections::HashSet<_> = texts.iter().map(|text| escape(text)).collect();
        assert_eq!(names.len(), texts.len());
        for name in names {
            assert!(
                name.len() <= 210 && !name.starts_with('.') && !name.contains('/'),
                "{name}"
            );
            assert!(!name.is_empty() && name.is_ascii());
        }
        assert_eq!(escape("user 42"), "user%2042");
        assert_eq!(slug("images/resize ä"), "images-resize--");
    }
}
