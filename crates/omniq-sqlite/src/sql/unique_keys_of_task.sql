-- In: an id. Out: what it would hold if it were unfinished.
SELECT unique_name, unique_key, series_id FROM main.omniq_task WHERE id = ?1
