-- In: a series. Out: its unfinished member.
SELECT id FROM main.omniq_task WHERE series_id = ?1 AND series_id IS NOT NULL AND status < 2
