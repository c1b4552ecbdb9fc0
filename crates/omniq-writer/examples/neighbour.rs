//! Another process beside the same data: the tests ring it, listen to it and kill it.
//!
//! `neighbour <data> <id> <owner>` enters and says `ready`; on standard input `start <slot> <task> <lease>`
//! notes a start and is answered `noted`, `ring` rings. It says `heard` when the bell rings; when an owner may
//! have left it looks at all of them, as a pool does, and says `looked`. It leaves at the end of its input.
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
        return Err("neighbour <data> <id> <owner>".into());
    };
    let folder = Folder::open(Path::new(data), id)?;
    let owner = OwnerId::from_i64(owner.parse()?).ok_or("an owner is above zero")?;
    let presence = Presence::enter(&folder, owner)?;
    let beside = folder.clone();
    let hearer = move |heard| match heard {
        Heard::Rung => println!("heard"),
        _ => look(&beside),
    };
    let bell = Doorbell::open(&folder, hearer)?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        match line?.split(' ').collect::<Vec<_>>().as_slice() {
            ["start", slot, task, number] => {
                let id = TaskId::from_i64(task.parse()?).ok_or("a task is above zero")?;
                let number = number.parse()?;
                presence.note_started(slot.parse()?, Lease::new(id, number));
                println!("noted");
            }
            ["ring"] => bell.ring(),
            other => return Err(format!("what is {other:?}?").into()),
        }
    }
    Ok(())
}

fn look(folder: &Folder) {
    for owner in Presence::owners(folder).unwrap_or_default() {
        let _: OwnerState = OwnerState::of(folder, owner);
    }
    println!("looked");
}
