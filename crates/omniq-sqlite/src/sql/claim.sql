-- In: a JSON list of ready tasks, their new owner, now, the lease's length. Guard: still pending, due and not held
-- back. Changes: they run, each under its next lease.
UPDATE main.omniq_task
SET status = 1, attempts = attempts + 1, lease = lease + 1, owner = ?2, beats = 0, started_at = ?3,
    lease_for = ?4, progress = NULL, progress_text = NULL, progressed_at = NULL
WHERE id IN (SELECT value FROM json_each(?1)) AND status = 0 AND due = 1 AND holds = 0
