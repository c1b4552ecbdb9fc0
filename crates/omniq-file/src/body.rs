//! The content of a task's file: the task as JSON, one member in each line, and what only the storage knows.

use std::time::Duration;

use omniq_core::Task;
use omniq_core::storage::StoredTask;
use serde::{Deserialize, Serialize};

/// The members that follow those of the task.
#[derive(Serialize, Deserialize)]
struct Extra {
    due: bool,
    lease_for: Duration,
}

/// Writes a task. The last character closes the object, so a file that was cut off is not valid JSON.
pub(crate) fn write(stored: &StoredTask) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(&stored.task)?;
    let extra = serde_json::to_vec_pretty(&Extra {
        due: stored.due,
        lease_for: stored.lease_for,
    })?;
    // Two objects become one: "…\n}" and "{\n…".
    text.truncate(text.len() - 2);
    text.push(b',');
    text.extend_from_slice(&extra[1..]);
    text.push(b'\n');
    Ok(text)
}

/// Reads a task. The number of renewals is not in the file, only in the index.
pub(crate) fn read(bytes: &[u8]) -> serde_json::Result<StoredTask> {
    let task: Task = serde_json::from_slice(bytes)?;
    let extra: Extra = serde_json::from_slice(bytes)?;
    Ok(StoredTask::from_parts(task, extra.due, 0, extra.lease_for))
}

/// Reads only the members of the task: the index has the others too.
pub(crate) fn read_task(bytes: &[u8]) -> serde_json::Result<Task> {
    serde_json::from_slice(bytes)
}

#[cfg(test)]
mod tests {
    use omniq_core::{Format, NewTask, Payload, TaskId, Timestamp};

    use super::*;

    /// The first versions wrote `holds` instead of `hold_count`.
    #[test]
    fn the_former_name_of_the_hold_count_is_read() {
        let payload = Payload::new(Format::Json, b"[]".to_vec());
        let new = NewTask::new("a", "q", payload);
        let mut stored = StoredTask::new(new, TaskId::from_i64(1).unwrap(), Timestamp(5));
        stored.task.hold_count = 3;
        let text = String::from_utf8(write(&stored).unwrap()).unwrap();
        assert_eq!(
            text.matches("\n  \"hold_count\": 3,\n").count(),
            1,
            "{text}"
        );
        let former = text.replace("\"hold_count\"", "\"holds\"");
        assert_eq!(read(former.as_bytes()).unwrap(), stored);
        assert_eq!(read_task(former.as_bytes()).unwrap(), stored.task);
    }

    #[test]
    fn a_file_is_read_back_and_no_part_of_it_is_valid() {
        let payload = Payload::new(Format::Json, br#"{"args":[1]}"#.to_vec());
        let new = NewTask::new("a", "q", payload);
        let mut stored = StoredTask::new(new, TaskId::from_i64(1).unwrap(), Timestamp(5));
        stored.lease_for = Duration::from_millis(1500);
        let bytes = write(&stored).unwrap();
        assert_eq!(read(&bytes).unwrap(), stored);
        for len in 0..bytes.len() - 1 {
            assert!(read(&bytes[..len]).is_err(), "{len}");
            let mut zeros = bytes.clone();
            zeros[len..].fill(0);
            assert!(read(&zeros).is_err(), "{len}");
        }
    }
}
