-- In: the columns of the first of several new tasks that differ in id and payload only, with a JSON list of all
-- payloads in hex as its payload. Guard: no task has a unique key or a series. Changes: one new row for each, with
-- consecutive ids.
INSERT INTO main.omniq_task (
    id, lane, due, priority, eta, interval, series_id, max_attempts, timeout, backoff,
    unique_name, unique_key, holds, headers, payload, enqueued_at
)
SELECT ?1 + key, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, unhex(value), ?16
FROM json_each(?15)
