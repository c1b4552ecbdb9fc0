-- In: id, lease, the lease's length. Guard: an owner holds the lease. Changes: counts a renewal. Out: the status.
UPDATE main.omniq_task SET beats = beats + 1, lease_for = ?3
WHERE id = ?1 AND lease = ?2 AND owner IS NOT NULL
RETURNING status
