-- In: an id. Guard: the task is finished, and has no owner. Changes: deletes it.
DELETE FROM main.omniq_task WHERE id = ?1 AND status >= 2 AND owner IS NULL
