-- In: an id. Out: the lanes of tasks with a larger one.
SELECT DISTINCT lane FROM main.omniq_task WHERE id > ?1
