-- In: an id. Out: the number of its lane.
SELECT lane FROM main.omniq_task WHERE id = ?1
