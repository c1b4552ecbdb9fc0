-- In: a lane, a limit. Out: the first ready tasks of the lane, in the order of running.
SELECT id, priority, eta FROM main.omniq_task
WHERE lane = ?1 AND status = 0 AND due = 1 AND holds = 0
ORDER BY priority DESC, eta, id LIMIT ?2
