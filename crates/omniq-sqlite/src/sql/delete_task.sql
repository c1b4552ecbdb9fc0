-- In: a finished task. Guard: finished, and nobody holds it. Changes: it goes.
DELETE FROM main.omniq_task WHERE id = ?1 AND status >= 2 AND owner IS NULL
