//! Starting, signalling and ending processes.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::{Options, Outcome, stamp};

/// A process that was killed.
#[derive(Debug, Clone, Copy)]
pub struct Death {
    /// Which one.
    pub process: u32,
    /// When, in microseconds: just before it was killed.
    pub at: i64,
}

/// A process of ours. Dropped, it is killed.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts `program` in a role. What it says comes from the second value.
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
        let said = child.stdout.take();
        Ok((Self(child), said))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Lets one waiting task go on.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn go(&mut self) -> io::Result<()> {
        let input = self.0.stdin.as_mut();
        input.map_or(Ok(()), |input| input.write_all(b"go\n"))
    }

    /// As `kill -9`. Returns when it is dead.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn kill(mut self) -> io::Result<Death> {
        let death = Death {
            process: self.id(),
            at: stamp(),
        };
        self.0.kill()?;
        self.0.wait()?;
        Ok(death)
    }

    /// Sends a signal, by its name.
    ///
    /// # Errors
    ///
    /// If there is no such signal.
    pub fn signal(&self, name: &str) -> Outcome<()> {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status()?;
        sent.success()
            .then_some(())
            .ok_or_else(|| format!("no signal {name}").into())
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    ///
    /// If it does not end well.
    pub fn stop(mut self) -> Outcome<()> {
        drop(self.0.stdin.take());
        let end = self.0.wait()?;
        let id = self.id();
        end.success()
            .then_some(())
            .ok_or_else(|| format!("the process {id} ended with {end}").into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
