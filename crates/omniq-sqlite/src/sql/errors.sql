-- In: an id. Out: the errors of the task's failed attempts, oldest first.
SELECT error FROM main.omniq_error WHERE task = ?1 ORDER BY lease
