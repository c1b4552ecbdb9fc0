//! A helper process for the tests in `tests/ipc`: another process that uses the same data. The tests ring it, listen
//! to it and kill it.
//!
//! `ipc_peer <data> <id> <owner>` enters as this owner and prints `ready`. On standard input, `start <slot> <task>
//! <lease>` records a start, which it answers with `recorded`, and `ring` rings. It prints `heard` when the bell
//! rings. When an owner may have exited, it checks all of them, as a pool does, and prints `checked`. It exits at
//! the end of its input.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::BufRead as _;
use std::path::Path;

use omniq_core::storage::Lease;
use omniq_core::{OwnerId, TaskId};
use omniq_writer::ipc::{Doorbell, Folder, Heard, OwnerState, Presence};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, id, owner] = arguments.as_slice() else {
        return Err("usage: ipc_peer <data> <id> <owner>".into());
    };
    let folder = Folder::open(Path::new(data), id)?;
    let owner = OwnerId::from_i64(owner.parse()?).ok_or("an owner is above zero")?;
    let presence = Presence::enter(&folder, owner)?;
    let watched = folder.clone();
    let listener = move |heard| match heard {
        Heard::Rung => println!("heard"),
        _ => check_owners(&watched),
    };
    let bell = Doorbell::open(&folder, listener)?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        match line?.split(' ').collect::<Vec<_>>().as_slice() {
            ["start", slot, task, number] => {
                let id = TaskId::from_i64(task.parse()?).ok_or("a task is above zero")?;
                let number = number.parse()?;
                presence.record_started(slot.parse()?, Lease::new(id, number));
                println!("recorded");
            }
            ["ring"] => bell.ring(),
            other => return Err(format!("unknown command {other:?}").into()),
        }
    }
    Ok(())
}

fn check_owners(folder: &Folder) {
    for owner in Presence::owners(folder).unwrap_or_default() {
        let _: OwnerState = OwnerState::of(folder, owner);
    }
    println!("checked");
}
