-- In: a task that is purged. Changes: its errors go.
DELETE FROM omniq_error WHERE task = ?1
