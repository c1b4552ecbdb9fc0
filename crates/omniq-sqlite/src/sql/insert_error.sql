-- In: an id, the lease of the failed attempt, the error. Changes: one new row.
INSERT INTO main.omniq_error (task, lease, error) VALUES (?1, ?2, ?3)
