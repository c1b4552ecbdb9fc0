-- In: a lane. Out: the earliest eta of its waiting tasks.
SELECT eta FROM main.omniq_task
WHERE lane = ?1 AND status = 0 AND due = 0 AND holds = 0
ORDER BY eta LIMIT 1
