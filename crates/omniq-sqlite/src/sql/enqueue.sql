-- In: a new task's columns. Guard: the unique indexes of key and series. Changes: one new row.
INSERT INTO main.omniq_task (
    id, lane, due, priority, eta, interval, series_id, max_attempts, timeout, backoff,
    unique_name, unique_key, holds, headers, payload, enqueued_at
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
