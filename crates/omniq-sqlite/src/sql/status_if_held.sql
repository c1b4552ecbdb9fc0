-- In: id, lease. Out: the status, if an owner holds this lease.
SELECT status FROM main.omniq_task WHERE id = ?1 AND lease = ?2 AND owner IS NOT NULL
