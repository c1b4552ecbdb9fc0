-- In: the id of a purged task. Changes: deletes its errors.
DELETE FROM main.omniq_error WHERE task = ?1
