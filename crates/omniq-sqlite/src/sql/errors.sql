-- In: a task. Out: its failed attempts, oldest first.
SELECT error FROM main.omniq_error WHERE task = ?1 ORDER BY lease
