-- In: the id before the page, a queue, a name, a status (NULL: any), a limit.
-- Out: complete tasks, oldest first.
SELECT t.id, t.lane, status, priority, eta, interval, series_id, attempts, max_attempts, crashes,
    timeout, backoff, unique_key, lease, owner, holds, headers, payload, enqueued_at, started_at,
    finished_at, result_format, result, progress, progress_text, progressed_at
FROM main.omniq_task t CROSS JOIN main.omniq_lane l ON l.id = t.lane
WHERE t.id > ?1
  AND (?2 IS NULL OR l.queue = ?2)
  AND (?3 IS NULL OR l.name = ?3)
  AND (?4 IS NULL OR t.status = ?4)
ORDER BY t.id LIMIT ?5
