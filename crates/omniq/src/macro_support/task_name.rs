//! Derives the name of a task from its module path at compile time.

/// Returns the length in bytes of the name that [`name_bytes`] derives from a path.
pub const fn name_len(path: &str) -> usize {
    let bytes = path.as_bytes();
    let mut from = below_crate(bytes);
    let mut len = 0;
    while from < bytes.len() {
        (_, from) = next(bytes, from);
        len += 1;
    }
    len
}

/// Derives the name from a path: `my_crate::images::resize` becomes `images.resize`, in UTF-8. `N` must be the path's
/// [`name_len`].
pub const fn name_bytes<const N: usize>(path: &str) -> [u8; N] {
    let bytes = path.as_bytes();
    let mut from = below_crate(bytes);
    let mut name = [0; N];
    let mut to = 0;
    while to < N {
        (name[to], from) = next(bytes, from);
        to += 1;
    }
    name
}

/// Returns the byte of the name that comes from this position of the path, and the position for the next byte.
const fn next(path: &[u8], at: usize) -> (u8, usize) {
    match path[at] {
        b':' => (b'.', skip_raw_prefix(path, at + 2)),
        byte => (byte, at + 1),
    }
}

/// Returns the position after the crate's name.
const fn below_crate(path: &[u8]) -> usize {
    let mut at = 0;
    while at < path.len() && path[at] != b':' {
        at += 1;
    }
    skip_raw_prefix(path, if at == path.len() { 0 } else { at + 2 })
}

/// Skips the `r#` of a raw identifier.
const fn skip_raw_prefix(path: &[u8], at: usize) -> usize {
    if at + 1 < path.len() && path[at] == b'r' && path[at + 1] == b'#' {
        return at + 2;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_omits_the_crate_and_has_dots_instead_of_colons() {
        const PATH: &str = "my_crate::images::große::resize";
        const NAME: [u8; name_len(PATH)] = name_bytes(PATH);
        assert_eq!(str::from_utf8(&NAME), Ok("images.große.resize"));
        assert_eq!(&name_bytes::<6>("c::resize"), b"resize");
        assert_eq!(&name_bytes::<6>("resize"), b"resize");
        const RAW: &str = "c::r#type::r#move::r";
        assert_eq!(&name_bytes::<{ name_len(RAW) }>(RAW), b"type.move.r");
    }
}
