-- In: a status, a time, how many at most. Out: tasks that ended with it by then and that nobody holds.
SELECT id, finished_at FROM main.omniq_task
WHERE status = ?1 AND finished_at IS NOT NULL AND finished_at <= ?2 AND owner IS NULL
ORDER BY finished_at LIMIT ?3
