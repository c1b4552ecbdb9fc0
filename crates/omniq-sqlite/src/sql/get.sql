-- In: an id. Out: the complete task.
SELECT id, lane, status, priority, eta, interval, series_id, attempts, max_attempts, crashes,
    timeout, backoff, unique_key, lease, owner, holds, headers, payload, enqueued_at, started_at,
    finished_at, result_format, result, progress, progress_text, progressed_at
FROM main.omniq_task WHERE id = ?1
