//! Cuts the power below real processes: records what they write, and opens what a power cut could have left.
//!
//! Several processes perform random operations, as in [`linearize`](crate::linearize), under `strace`. Every write, sync,
//! rename, creation and removal in the folder of the storage is recorded, and so is every line of their history. For
//! random points of the record, an image of the folder is built: everything that was synced is there; of the rest, any
//! subset, with writes that are torn at 512 bytes. The real storage opens the image, and reads all tasks. Together
//! with the history up to the cut, these reads must be linearizable: nothing that was acknowledged is lost, doubled or
//! torn.
//!
//! | module | contents |
//! | --- | --- |
//! | [`run`] | records, cuts, opens, and checks |
//! | [`processes`] | the processes that are recorded, and the process that opens images |
//! | `strace` | finds strace, and starts programs under it |
//! | `trace` | reads the lines of strace |
//! | `record` | what the lines mean: steps, syncs, and events of the history |
//! | `tree` | files and folders, and the steps that change them |
//! | `cut` | what is on the disk at a point of the record, and what may be |
//!
//! The model of the disk: `fsync` of a file makes its data, its length and its creation durable; `fsync` of a folder
//! makes the entries in it durable; `syncfs` makes everything durable. Nothing else is ordered. Two things are left
//! out, because their content never matters after a power cut: the `-shm` of SQLite, which is written through shared
//! memory and built again from the `-wal`, and the `-omniq` folder with the doorbell and the owner files.

mod cut;
pub mod processes;
mod record;
pub mod run;
mod strace;
mod trace;
mod tree;

pub use strace::is_installed;
