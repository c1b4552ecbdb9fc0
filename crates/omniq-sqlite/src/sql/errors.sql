-- In: a task. Out: its failed attempts, oldest first.
SELECT error FROM omniq_error WHERE task = ?1 ORDER BY lease
