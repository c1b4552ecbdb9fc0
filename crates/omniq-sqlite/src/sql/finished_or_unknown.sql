-- In: a JSON list of ids. Out: the ids of finished tasks, and those that no task has, in order.
SELECT wanted.value FROM json_each(?1) AS wanted
WHERE NOT EXISTS (SELECT 1 FROM main.omniq_task WHERE id = wanted.value AND status < 2)
