-- In: a task that is purged. Changes: its errors go.
DELETE FROM main.omniq_error WHERE task = ?1
