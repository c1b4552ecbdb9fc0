//! The name of a task from its place in the code, at compile time.

/// `my_crate::images::resize` → the part below the crate, with dots: how long it is.
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

/// `my_crate::images::resize` → `images.resize`, in UTF-8. `N` is its [`name_len`].
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

/// The byte of the name that comes from here, and where the one after it does.
const fn next(path: &[u8], at: usize) -> (u8, usize) {
    match path[at] {
        b':' => (b'.', without_mark(path, at + 2)),
        byte => (byte, at + 1),
    }
}

/// Where the part below the crate begins.
const fn below_crate(path: &[u8]) -> usize {
    let mut at = 0;
    while at < path.len() && path[at] != b':' {
        at += 1;
    }
    without_mark(path, if at == path.len() { 0 } else { at + 2 })
}

/// Behind the `r#` of a word that Rust keeps for itself.
const fn without_mark(path: &[u8], at: usize) -> usize {
    if at + 1 < path.len() && path[at] == b'r' && path[at + 1] == b'#' {
        return at + 2;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_is_left_out_and_colons_become_dots() {
        const PATH: &str = "my_crate::images::große::resize";
        const NAME: [u8; name_len(PATH)] = name_bytes(PATH);
        assert_eq!(str::from_utf8(&NAME), Ok("images.große.resize"));
        assert_eq!(&name_bytes::<6>("c::resize"), b"resize");
        assert_eq!(&name_bytes::<6>("resize"), b"resize");
        const RAW: &str = "c::r#type::r#move::r";
        assert_eq!(&name_bytes::<{ name_len(RAW) }>(RAW), b"type.move.r");
    }
}
