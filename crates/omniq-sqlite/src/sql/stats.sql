-- In: now. Out: how many tasks of each status each lane has.
SELECT lane, status, count(*), sum(status = 0 AND due = 0 AND eta > ?1)
FROM main.omniq_task GROUP BY lane, status
