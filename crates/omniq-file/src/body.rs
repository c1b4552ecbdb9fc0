//! What a task's file holds: the task as JSON, one member a line, and what only the storage knows.

use std::time::Duration;

use omniq_core::Task;
use omniq_core::storage::StoredTask;
use serde::{Deserialize, Serialize};

/// Beside the members of the task.
#[derive(Serialize, Deserialize)]
struct Extra {
    due: bool,
    lease_for: Duration,
}

/// The last sign closes the object, so that a file that was cut off is none.
pub(crate) fn write(row: &StoredTask) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(&row.task)?;
    let extra = serde_json::to_vec_pretty(&Extra {
        due: row.due,
        lease_for: row.lease_for,
    })?;
    // Two objects become one: "…\n}" and "{\n…".
    text.truncate(text.len() - 2);
    text.push(b',');
    text.extend_from_slice(&extra[1..]);
    text.push(b'\n');
    Ok(text)
}

/// The beats are not in the file: whoever wants them asks the index.
pub(crate) fn read(bytes: &[u8]) -> serde_json::Result<StoredTask> {
    let task: Task = serde_json::from_slice(bytes)?;
    let extra: Extra = serde_json::from_slice(bytes)?;
    Ok(StoredTask::from_parts(task, extra.due, 0, extra.lease_for))
}

/// The task alone: what only the storage knows is in the index as well.
pub(crate) fn read_task(bytes: &[u8]) -> serde_json::Result<Task> {
    serde_json::from_slice(bytes)
}

#[cfg(test)]
mod tests {
    use omniq_core::{Format, NewTask, Payload, TaskId, Timestamp};

    use super::*;

    #[test]
    fn a_file_comes_back_and_no_part_of_it_is_taken_for_a_whole() {
        let payload = Payload::new(Format::Json, br#"{"args":[1]}"#.to_vec());
        let new = NewTask::new("a", "q", payload);
        let mut row = StoredTask::new(new, TaskId::from_i64(1).unwrap(), Timestamp(5));
        row.lease_for = Duration::from_millis(1500);
        let bytes = write(&row).unwrap();
        assert_eq!(read(&bytes).unwrap(), row);
        for len in 0..bytes.len() - 1 {
            assert!(read(&bytes[..len]).is_err(), "{len}");
            let mut zeros = bytes.clone();
            zeros[len..].fill(0);
            assert!(read(&zeros).is_err(), "{len}");
        }
    }
}
