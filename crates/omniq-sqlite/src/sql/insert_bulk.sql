-- In: the columns of new tasks that differ in id, time and payload only. In place of the payload, a JSON object: each
-- name is the 19 digits of an id followed by its enqueue time, and each value is a payload in hex. Guard: no task has
-- a unique key or a series, and all are due now. Changes: one new row for each.
INSERT INTO main.omniq_task (
    id, lane, due, priority, eta, interval, series_id, max_attempts, timeout, backoff,
    unique_name, unique_key, holds, headers, payload, enqueued_at
)
SELECT CAST(substr(key, 1, 19) AS INTEGER), ?2, 1, ?4, CAST(substr(key, 20) AS INTEGER), ?6, ?7, ?8, ?9, ?10,
    ?11, ?12, ?13, ?14, unhex(value), CAST(substr(key, 20) AS INTEGER)
FROM json_each(?15)
