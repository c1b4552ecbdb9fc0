-- In: a status, a time, a limit. Out: tasks that finished with it by then and have no owner.
SELECT id, finished_at FROM main.omniq_task
WHERE status = ?1 AND finished_at IS NOT NULL AND finished_at <= ?2 AND owner IS NULL
ORDER BY finished_at LIMIT ?3
