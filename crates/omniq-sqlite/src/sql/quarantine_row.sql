-- In: the id of a task whose row can't be read, now. Guard: just claimed. Changes: it fails and has no owner.
UPDATE main.omniq_task SET status = 3, owner = NULL, finished_at = ?2 WHERE id = ?1 AND status = 1
