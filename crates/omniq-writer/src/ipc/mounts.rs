//! Detects file systems that other machines may share: there, a lock says nothing about a process on another
//! machine, and a write on another machine causes no event here. Also detects files that are mounts themselves.

use std::path::Path;

/// The names that such file systems have in `/proc/self/mountinfo`.
const SHARED: [&str; 22] = [
    "9p",
    "acfs",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "gfs2",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "prl_fs",
    "pvfs2",
    "smb3",
    "smbfs",
    "vboxsf",
    "virtiofs",
];

/// Returns the type of the shared file system that a canonical path is on; `None` if it is not known to be on
/// one.
pub(crate) fn shared(path: &Path) -> Option<String> {
    let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
    file_system(&mounts, path).filter(|kind| is_shared(kind))
}

/// Returns whether something is mounted at a canonical path. Always `false` where the operating system does not
/// list its mounts in `/proc/self/mountinfo`.
pub fn is_mount_point(path: &Path) -> bool {
    std::fs::read("/proc/self/mountinfo").is_ok_and(|mounts| has_mount_at(&mounts, path))
}

fn has_mount_at(mounts: &[u8], path: &Path) -> bool {
    let path = path.to_string_lossy();
    mounts
        .split(|byte| *byte == b'\n')
        .filter_map(mount)
        .any(|(point, _)| *point == *path)
}

/// Any FUSE file system may be shared, except the one that rootless containers use.
fn is_shared(kind: &str) -> bool {
    SHARED.contains(&kind) || (kind.starts_with("fuse.") && kind != "fuse.fuse-overlayfs")
}

/// Returns the type of the mount with the longest mount point above the path; of equal ones, the last.
fn file_system(mounts: &[u8], path: &Path) -> Option<String> {
    // Mount points and path are converted alike if they are not UTF-8.
    let path = path.to_string_lossy();
    mounts
        .split(|byte| *byte == b'\n')
        .filter_map(mount)
        .filter(|(point, _)| Path::new(&*path).starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind)
}

/// Parses mount point and type from a line: `36 35 98:0 /root /point rw shared:1 - type source options`.
fn mount(line: &[u8]) -> Option<(String, String)> {
    let mut fields = line.split(|byte| *byte == b' ');
    let point = unescape(fields.nth(4)?);
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((text(&point), text(kind)))
}

/// Decodes the three octal digits as which the kernel writes blanks, tabs, line ends and backslashes.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:50 / /srv rw shared:7 - nfs4 host:/srv rw
41 40 0:51 / /srv/local rw shared:8 master:2 - xfs /dev/vdb rw
42 27 0:52 / /my\\040disk\\134x rw - fuse.sshfs host: rw
43 27 0:53 / /twice rw - ext4 /dev/vdc rw
44 43 0:54 / /twice rw - cifs //host/x rw
garbage
";

    fn at(path: &str) -> String {
        file_system(MOUNTS, Path::new(path)).unwrap()
    }

    #[test]
    fn the_longest_mount_point_decides() {
        assert_eq!(at("/home/a.db"), "ext4");
        assert_eq!(at("/srv/a.db"), "nfs4");
        assert_eq!(at("/srv/local/a.db"), "xfs");
        assert_eq!(at("/srv-not/a.db"), "ext4");
        assert_eq!(at("/my disk\\x/a.db"), "fuse.sshfs");
        assert_eq!(at("/twice/a.db"), "cifs");
    }

    #[test]
    fn a_mount_point_is_found_by_its_whole_path() {
        let is_mount = |path: &str| has_mount_at(MOUNTS, Path::new(path));
        assert!(is_mount("/srv/local") && is_mount("/my disk\\x") && is_mount("/"));
        assert!(!is_mount("/srv/local/a.db") && !is_mount("/srv/loc") && !is_mount("/home"));
    }

    #[test]
    fn only_network_and_fuse_file_systems_are_shared() {
        for kind in [
            "nfs",
            "nfs4",
            "cifs",
            "9p",
            "fuse.sshfs",
            "fuse.anything",
            "virtiofs",
        ] {
            assert!(is_shared(kind), "{kind}");
        }
        for kind in [
            "ext4",
            "xfs",
            "btrfs",
            "tmpfs",
            "overlay",
            "fuseblk",
            "fuse.fuse-overlayfs",
        ] {
            assert!(!is_shared(kind), "{kind}");
        }
    }
}
