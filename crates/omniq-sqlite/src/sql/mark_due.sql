-- In: a lane, now, a limit. Guard: waiting tasks whose eta is reached. Changes: they are due.
UPDATE main.omniq_task SET due = 1 WHERE id IN (
    SELECT id FROM main.omniq_task
    WHERE lane = ?1 AND status = 0 AND due = 0 AND holds = 0 AND eta <= ?2
    ORDER BY eta LIMIT ?3
)
