-- In: an id. Out: where it stands.
SELECT status, lease FROM main.omniq_task WHERE id = ?1
