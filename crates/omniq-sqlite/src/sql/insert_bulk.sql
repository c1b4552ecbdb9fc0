-- In: the columns of new tasks that differ in id, time and payload only. For the payload, a JSON object of all: the
-- 19 digits of an id and the time of its enqueue, and the payload in hex. Guard: none has a unique key or a series,
-- and all are due at once. Changes: a new row for each.
INSERT INTO main.omniq_task (
    id, lane, due, priority, eta, interval, series_id, max_attempts, timeout, backoff,
    unique_name, unique_key, holds, headers, payload, enqueued_at
)
SELECT CAST(substr(key, 1, 19) AS INTEGER), ?2, 1, ?4, CAST(substr(key, 20) AS INTEGER), ?6, ?7, ?8, ?9, ?10,
    ?11, ?12, ?13, ?14, unhex(value), CAST(substr(key, 20) AS INTEGER)
FROM json_each(?15)
