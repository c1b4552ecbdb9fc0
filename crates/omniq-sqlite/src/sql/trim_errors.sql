-- In: a task, how many to keep. Changes: older errors of this task go.
DELETE FROM main.omniq_error WHERE task = ?1 AND lease <= (
    SELECT lease FROM main.omniq_error WHERE task = ?1 ORDER BY lease DESC LIMIT 1 OFFSET ?2
)
