//! One run of one program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bench_harness::{Line, Result};

use crate::options::Options;
use crate::row::Run;
use crate::sizes;

/// The arguments of a run, as one would type them after `bench/run`.
pub fn command(run: &Run, options: &Options) -> String {
    format!("{} --n {} --json", run.text(), sizes::tasks(run, options))
}

/// What the program said in its last line; an error says why there is none.
pub fn run(run: &Run, options: &Options) -> Result<Line> {
    // A program that has to be killed can't clean up.
    let folder = options.dir.join("bench-run");
    std::fs::create_dir_all(&folder)?;
    let line = run_in(&folder, run, options);
    std::fs::remove_dir_all(&folder)?;
    line
}

fn run_in(folder: &Path, run: &Run, options: &Options) -> Result<Line> {
    let command = command(run, options);
    let mut child = Command::new(path(run.contender))
        .args(command.split(' ').skip(1))
        .arg("--dir")
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{} can't be started: {e}", run.contender))?;
    let ends = Instant::now() + Duration::from_secs(options.limit);
    // What it prints fits a pipe, so it never waits for us to read.
    while child.try_wait()?.is_none() {
        if Instant::now() > ends {
            child.kill()?;
            child.wait()?;
            return Err(format!("not finished after {} s", options.limit).into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let out = child.wait_with_output()?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr)
            .trim()
            .to_owned()
            .into());
    }
    let text = String::from_utf8(out.stdout)?;
    let last = text.lines().last().ok_or("it printed nothing")?;
    Ok(serde_json::from_str(last)?)
}

fn path(contender: &str) -> PathBuf {
    match contender {
        "huey" => PathBuf::from("huey/bench-huey"),
        rust => PathBuf::from(format!("target/release/bench-{rust}")),
    }
}
