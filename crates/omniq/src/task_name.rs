//! The name of a task from its place in the code, at compile time.

/// `my_crate::images::resize` → the part below the crate, with dots: how long it is.
pub const fn name_len(path: &str) -> usize {
    let (begin, colons) = below_crate(path);
    // Each `::` becomes one dot.
    path.len() - begin - colons
}

/// `my_crate::images::resize` → `images.resize`, in UTF-8. `N` is its [`name_len`].
pub const fn name_bytes<const N: usize>(path: &str) -> [u8; N] {
    let bytes = path.as_bytes();
    let (mut from, _) = below_crate(path);
    let mut name = [0; N];
    let mut to = 0;
    while to < N {
        if bytes[from] == b':' {
            name[to] = b'.';
            from += 2;
        } else {
            name[to] = bytes[from];
            from += 1;
        }
        to += 1;
    }
    name
}

/// Where the part below the crate begins, and how many `::` it has.
const fn below_crate(path: &str) -> (usize, usize) {
    let bytes = path.as_bytes();
    let mut begin = 0;
    while begin < bytes.len() && bytes[begin] != b':' {
        begin += 1;
    }
    begin = if begin == bytes.len() { 0 } else { begin + 2 };
    let (mut at, mut colons) = (begin, 0);
    while at < bytes.len() {
        if bytes[at] == b':' {
            colons += 1;
            at += 1;
        }
        at += 1;
    }
    (begin, colons)
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
    }
}
