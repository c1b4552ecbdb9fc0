-- In: a JSON list of ids. Out: complete tasks, in the order of the list.
SELECT t.id, lane, status, priority, eta, interval, series_id, attempts, max_attempts, crashes,
    timeout, backoff, unique_key, lease, owner, holds, headers, payload, enqueued_at, started_at,
    finished_at, result_format, result, progress, progress_text, progressed_at
FROM json_each(?1) AS wanted CROSS JOIN main.omniq_task t ON t.id = wanted.value
