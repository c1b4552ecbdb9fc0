//! Starts, signals and stops processes.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::{HarnessResult, Options, now_micros};

/// A process that was killed.
#[derive(Debug, Clone, Copy)]
pub struct Death {
    /// The id of the process.
    pub process: u32,
    /// The time just before the kill, in microseconds of the wall clock.
    pub at: i64,
}

/// A child process, which is killed when this value is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts `program` in a role of `main`. The second value is its standard output.
    pub(crate) fn start(
        program: &Path,
        role: &str,
        options: &Options,
    ) -> io::Result<(Self, Option<ChildStdout>)> {
        let mut child = Command::new(program)
            .arg(role)
            .args(options.to_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take();
        Ok((Self(child), output))
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Writes one line to the standard input of the process. A worker then lets one waiting task continue.
    ///
    /// # Errors
    ///
    /// Returns an error if the process has exited.
    pub fn send_line(&mut self) -> io::Result<()> {
        let input = self.0.stdin.as_mut();
        input.map_or(Ok(()), |input| input.write_all(b"go\n"))
    }

    /// Kills the process like `kill -9`, and waits until it is dead.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system refuses the signal.
    pub fn kill(mut self) -> io::Result<Death> {
        let death = Death {
            process: self.id(),
            at: now_micros(),
        };
        self.0.kill()?;
        self.0.wait()?;
        Ok(death)
    }

    /// Sends the signal of this name, for example `STOP`.
    ///
    /// # Errors
    ///
    /// Returns an error if the signal could not be sent.
    pub fn signal(&self, name: &str) -> HarnessResult<()> {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status()?;
        if !sent.success() {
            return Err(format!("the signal {name} could not be sent to the process {id}").into());
        }
        Ok(())
    }

    /// Asks the process to stop, by closing its standard input, and waits until it has exited.
    ///
    /// # Errors
    ///
    /// Returns an error if its exit status is not success.
    pub fn stop(mut self) -> HarnessResult<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait()?;
        if !status.success() {
            return Err(format!("the process {} ended with {status}", self.id()).into());
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both calls fail if the process has already been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
