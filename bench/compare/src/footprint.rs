//! W6: measures the number of crates, the size of a binary, and its memory while idle.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bench_harness::Result;
use serde::{Deserialize, Serialize};

const HELLO: &str = "target/release/hello";
/// An idle pool has finished its start-up work after this time.
const STARTUP: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Footprint {
    /// The number of crates compiled for omniq with its default features, including omniq.
    pub crates: usize,
    /// The size of the binary of `bench/hello`, without symbols.
    pub binary_bytes: u64,
    /// The resident memory of `bench/hello` while its pool is idle.
    pub idle_bytes: u64,
}

pub fn measure() -> Result<Footprint> {
    eprintln!("w6: crates, binary and memory");
    Ok(Footprint {
        crates: count_crates()?,
        binary_bytes: std::fs::metadata(HELLO)?.len(),
        idle_bytes: measure_idle_memory()?,
    })
}

fn count_crates() -> Result<usize> {
    let args = "tree --locked --manifest-path ../Cargo.toml -p omniq -e normal,build --prefix none";
    let out = Command::new("cargo").args(args.split(' ')).output()?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).into_owned().into());
    }
    let text = String::from_utf8(out.stdout)?;
    // A line of `cargo tree` is a name, a version and remarks.
    let name = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Ok(text.lines().map(name).collect::<BTreeSet<_>>().len())
}

fn measure_idle_memory() -> Result<u64> {
    let folder = Path::new("target").join("hello-idle");
    std::fs::create_dir_all(&folder)?;
    let folder = std::path::absolute(folder)?;
    let mut child = Command::new(HELLO)
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().ok_or("hello has no standard output")?;
    let mut greeting = String::new();
    BufReader::new(out).read_line(&mut greeting)?;
    std::thread::sleep(STARTUP);
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    // The program exits when its standard input ends.
    drop(child.stdin.take());
    child.wait()?;
    std::fs::remove_dir_all(&folder)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .ok_or("the status of hello has no VmRSS")?;
    Ok(kib.trim().parse::<u64>()? * 1_024)
}
