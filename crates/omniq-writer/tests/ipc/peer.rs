//! Starts, asks and kills the helper process `examples/ipc_peer.rs`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use omniq_core::storage::Lease;

use crate::{CEILING, SharedDir};

/// A real process that uses the same data.
pub struct Peer {
    child: Child,
    output: Receiver<String>,
}

impl Peer {
    pub fn start(shared: &SharedDir, owner: i64) -> Self {
        let mut program = std::env::current_exe().unwrap();
        program.pop();
        program.pop();
        program.push(format!("examples/ipc_peer{}", std::env::consts::EXE_SUFFIX));
        let mut child = Command::new(&program)
            .arg(&shared.data)
            .args(["the-id", &owner.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cargo builds {} with the tests: {e}", program.display()));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let peer = Self { child, output };
        peer.wait_for("ready");
        peer
    }

    pub fn wait_for(&self, line: &str) {
        self.output_before(line);
    }

    /// Returns what it prints before this line.
    pub fn output_before(&self, line: &str) -> Vec<String> {
        let next = || self.output.recv_timeout(CEILING).unwrap();
        std::iter::from_fn(|| Some(next()).filter(|printed| printed != line)).collect()
    }

    pub fn record_started(&mut self, slot: usize, lease: Lease) {
        let (task, number) = (lease.id.as_i64(), lease.number);
        self.send(&format!("start {slot} {task} {number}"));
        self.wait_for("recorded");
    }

    pub fn ring(&mut self) {
        self.send("ring");
    }

    fn send(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it exit by itself.
    pub fn exit(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
