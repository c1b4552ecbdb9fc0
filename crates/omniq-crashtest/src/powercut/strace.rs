//! Starts programs under strace.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::HarnessResult;

/// The calls that are recorded. A `?` marks those that some architectures do not have. Those after the line break
/// are not understood: if one of them touches the storage, the record is refused.
const CALLS: &str = "trace=openat,?open,?creat,write,pwrite64,ftruncate,?truncate,fallocate,?rename,?renameat,\
    renameat2,?link,linkat,?unlink,unlinkat,?mkdir,mkdirat,?rmdir,fsync,fdatasync,syncfs,lseek,close,\
    writev,pwritev,?pwritev2,mmap,?openat2,copy_file_range,?sendfile,?sendfile64,splice,sync_file_range,symlinkat,?symlink";

/// Whether strace can be started.
///
/// # Errors
///
/// Returns an error if strace is there, but can't be started.
pub fn is_installed() -> io::Result<bool> {
    let mut version = Command::new("strace");
    version.arg("-V").stdout(Stdio::null());
    match version.status() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns an error that says what to install, if strace is missing.
pub(super) fn require() -> HarnessResult<()> {
    match is_installed()? {
        true => Ok(()),
        false => {
            Err("strace is missing: install it (Debian and Ubuntu: apt-get install strace)".into())
        }
    }
}

/// Returns a command that runs a program, with all its children, and writes their system calls into a file.
pub(super) fn recording(program: &Path, trace: &Path) -> Command {
    let mut command = Command::new("strace");
    // Follow children; name the files of descriptors; print all bytes of all strings, in hexadecimal.
    command.args(["-f", "-y", "-xx", "-s", "100000000", "-e", "signal=none"]);
    command.args(["--seccomp-bpf", "-e", CALLS, "-o"]);
    command.arg(trace).arg(program);
    command
}

/// Returns a command that runs a program which finds no boot id, as if the machine had been started again.
pub(super) fn without_boot_id(program: &Path) -> Command {
    let mut command = Command::new("strace");
    let hidden = ["-P", "/proc/sys/kernel/random/boot_id"];
    let failing = ["-e", "trace=openat", "-e", "inject=openat:error=ENOENT"];
    command
        .args(["-f", "--seccomp-bpf"])
        .args(hidden)
        .args(failing);
    command.args(["-o".as_ref(), OsStr::new("/dev/null"), program.as_os_str()]);
    command
}
