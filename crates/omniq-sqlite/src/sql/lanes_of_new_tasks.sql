-- In: an id. Out: the lanes of tasks with a larger id.
SELECT DISTINCT lane FROM main.omniq_task WHERE id > ?1
