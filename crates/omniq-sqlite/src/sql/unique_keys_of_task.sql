-- In: an id. Out: the unique key and the series that the task needs while it is unfinished.
SELECT unique_name, unique_key, series_id FROM main.omniq_task WHERE id = ?1
