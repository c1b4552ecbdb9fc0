//! Encodes the result of a handler, and checks its size.

use omniq_core::{Format, Payload, TaskError};
use serde::Serialize;

/// The encoded result of a handler, or its error.
pub(crate) type HandlerResult = Result<Payload, TaskError>;

/// Encodes the value that a handler returned.
pub(crate) fn encode_result<T: Serialize + ?Sized>(format: Format, value: &T) -> HandlerResult {
    Payload::encode(format, value).map_err(|e| {
        let text = format!("the result can't be encoded: {}", e.chain());
        TaskError::new("result", text).with_retryable(false)
    })
}

/// Returns an error if the result is larger than `limit` bytes.
pub(crate) fn check_size(result: &Payload, limit: usize) -> Result<(), TaskError> {
    let size = result.bytes.len();
    if size <= limit {
        return Ok(());
    }
    let text = format!(
        "the result takes {size} bytes, but the limit is {limit}: return a path or a key instead of the \
         data, or raise max_payload in the settings"
    );
    Err(TaskError::new("result", text).with_retryable(false))
}
