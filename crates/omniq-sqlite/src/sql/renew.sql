-- In: id, lease, the lease's length. Guard: the lease is held. Changes: one more beat. Out: the status.
UPDATE main.omniq_task SET beats = beats + 1, lease_for = ?3
WHERE id = ?1 AND lease = ?2 AND owner IS NOT NULL
RETURNING status
