-- In: id, expected status, lease; new status, attempts and crashes (NULL: unchanged); a new eta (NULL: unchanged),
-- now, whether the owner stays; the result.
-- Guard: status and lease match; a cancelled task that has an owner is not requeued, and one without an owner is not
-- released.
-- Changes: this task.
UPDATE main.omniq_task SET
    status = ?4,
    attempts = coalesce(?5, attempts),
    crashes = coalesce(?6, crashes),
    due = CASE WHEN ?7 IS NULL THEN due ELSE ?7 <= ?8 END,
    eta = coalesce(?7, eta),
    owner = CASE WHEN ?9 THEN owner END,
    finished_at = CASE WHEN ?4 < 2 THEN NULL WHEN ?2 < 2 THEN ?8 ELSE finished_at END,
    result_format = ?10,
    result = ?11,
    progress = CASE WHEN ?4 >= 2 OR ?2 < 2 THEN progress END,
    progress_text = CASE WHEN ?4 >= 2 OR ?2 < 2 THEN progress_text END,
    progressed_at = CASE WHEN ?4 >= 2 OR ?2 < 2 THEN progressed_at END
WHERE id = ?1 AND status = ?2 AND lease = ?3
  AND (?4 >= 2 OR ?2 < 2 OR owner IS NULL)
  AND (?2 < 4 OR ?4 < 4 OR owner IS NOT NULL)
