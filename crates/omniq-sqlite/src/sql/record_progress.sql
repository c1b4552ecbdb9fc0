-- In: id, lease, a fraction, a text, now. Guard: an owner holds the lease. Changes: the task's progress.
UPDATE main.omniq_task SET progress = ?3, progress_text = ?4, progressed_at = ?5
WHERE id = ?1 AND lease = ?2 AND owner IS NOT NULL
