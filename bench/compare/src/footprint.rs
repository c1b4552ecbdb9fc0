//! W6: how many crates, how large a binary, how much memory while idle.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bench_harness::Result;
use serde::{Deserialize, Serialize};

const HELLO: &str = "target/release/hello";
/// By then an idle pool has done what it does at its start.
const IDLE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Footprint {
    /// That are compiled for omniq with its default features, itself included.
    pub crates: usize,
    /// Of `bench/hello`, without symbols.
    pub binary_bytes: u64,
    /// Of the same, resident while its pool is idle.
    pub idle_bytes: u64,
}

pub fn measure() -> Result<Footprint> {
    eprintln!("w6: crates, binary and memory");
    Ok(Footprint {
        crates: crates()?,
        binary_bytes: std::fs::metadata(HELLO)?.len(),
        idle_bytes: idle()?,
    })
}

fn crates() -> Result<usize> {
    let args = "tree --locked --manifest-path ../Cargo.toml -p omniq -e normal,build --prefix none";
    let out = Command::new("cargo").args(args.split(' ')).output()?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).into_owned().into());
    }
    let text = String::from_utf8(out.stdout)?;
    // A line is a name, a version and remarks.
    let name = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Ok(text.lines().map(name).collect::<BTreeSet<_>>().len())
}

fn idle() -> Result<u64> {
    let folder = Path::new("target").join("hello-idle");
    std::fs::create_dir_all(&folder)?;
    let folder = std::path::absolute(folder)?;
    let mut child = Command::new(HELLO)
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().ok_or("no pipe from hello")?;
    let mut greeting = String::new();
    BufReader::new(out).read_line(&mut greeting)?;
    std::thread::sleep(IDLE);
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    // Its standard input ends, and so does it.
    drop(child.stdin.take());
    child.wait()?;
    std::fs::remove_dir_all(&folder)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .ok_or("no VmRSS")?;
    Ok(kib.trim().parse::<u64>()? * 1_024)
}
