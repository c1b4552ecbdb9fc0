-- In: an id. Out: the task's status and lease.
SELECT status, lease FROM main.omniq_task WHERE id = ?1
