-- In: a name and a unique key. Out: the task that holds the key.
SELECT id FROM main.omniq_task
WHERE unique_name = ?1 AND unique_key = ?2 AND unique_key IS NOT NULL
  AND (status < 2 OR owner IS NOT NULL)
