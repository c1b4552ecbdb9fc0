-- In: an id, how many errors to keep. Changes: deletes older errors of this task.
DELETE FROM main.omniq_error WHERE task = ?1 AND lease <= (
    SELECT lease FROM main.omniq_error WHERE task = ?1 ORDER BY lease DESC LIMIT 1 OFFSET ?2
)
