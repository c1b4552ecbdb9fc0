use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use omniq_core::storage::Lease;

use crate::{CEILING, Place};

/// A real process beside the same data: `examples/neighbour.rs`.
pub struct Neighbour {
    child: Child,
    says: Receiver<String>,
}

impl Neighbour {
    pub fn beside(place: &Place, owner: i64) -> Self {
        let mut program = std::env::current_exe().unwrap();
        program.pop();
        program.pop();
        program.push(format!(
            "examples/neighbour{}",
            std::env::consts::EXE_SUFFIX
        ));
        let mut child = Command::new(&program)
            .arg(&place.data)
            .args(["the-id", &owner.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cargo builds {} with the tests: {e}", program.display()));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (say, says) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = say.send(line);
            }
        });
        let neighbour = Self { child, says };
        neighbour.wait_for("ready");
        neighbour
    }

    pub fn wait_for(&self, line: &str) {
        self.says_before(line);
    }

    /// What it says before this line.
    pub fn says_before(&self, line: &str) -> Vec<String> {
        let next = || self.says.recv_timeout(CEILING).unwrap();
        std::iter::from_fn(|| Some(next()).filter(|said| said != line)).collect()
    }

    pub fn start(&mut self, slot: usize, lease: Lease) {
        self.tell(&format!(
            "start {slot} {} {}",
            lease.id.as_i64(),
            lease.number
        ));
        self.wait_for("noted");
    }

    pub fn ring(&mut self) {
        self.tell("ring");
    }

    fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it end by itself.
    pub fn leave(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
