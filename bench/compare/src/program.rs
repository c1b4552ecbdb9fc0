//! Runs one program once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bench_harness::{Line, Result};

use crate::options::Options;
use crate::row::Run;
use crate::task_counts;

/// Returns the arguments of a run, as a user would type them after `bench/run`.
pub fn command(run: &Run, options: &Options) -> String {
    format!(
        "{} --n {} --json",
        run.text(),
        task_counts::tasks(run, options)
    )
}

/// Runs the program, and returns its result, which is its last line of output.
pub fn run(run: &Run, options: &Options) -> Result<Line> {
    // A program that is killed can't remove its files, so they are in a folder that is removed here.
    let folder = options.dir.join("bench-run");
    std::fs::create_dir_all(&folder)?;
    let line = run_in(&folder, run, options);
    std::fs::remove_dir_all(&folder)?;
    line
}

fn run_in(folder: &Path, run: &Run, options: &Options) -> Result<Line> {
    let command = command(run, options);
    let mut child = Command::new(program_path(run.contender))
        .args(command.split(' ').skip(1))
        .arg("--dir")
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{} can't be started: {e}", run.contender))?;
    let deadline = Instant::now() + Duration::from_secs(options.limit);
    // The output fits into the buffer of the pipe, so the program never waits for a reader.
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
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
    let last = text.lines().last().ok_or("the program printed nothing")?;
    Ok(serde_json::from_str(last)?)
}

fn program_path(contender: &str) -> PathBuf {
    match contender {
        "huey" => PathBuf::from("huey/bench-huey"),
        rust => PathBuf::from(format!("target/release/bench-{rust}")),
    }
}
