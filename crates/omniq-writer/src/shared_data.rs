//! Data that several processes share.

use std::path::Path;

/// Where data is that processes share, and how it is identified.
#[derive(Debug, Clone, Copy)]
pub struct SharedData<'a> {
    /// The data's own file or folder; it exists.
    pub data: &'a Path,
    /// A random text that the data itself carries.
    pub identity: &'a str,
    /// A folder into which other programs put files for the storage. The writer wakes up as soon as a
    /// file arrives, if the operating system reports that; otherwise with its next safety check (every poll interval).
    pub arrivals: Option<&'a Path>,
}
