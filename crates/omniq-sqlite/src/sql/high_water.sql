-- Out: the largest id that was ever assigned, or inserted by hand.
SELECT max(id, coalesce((SELECT max(id) FROM main.omniq_task), 0)) FROM main.omniq_high_water WHERE only = 1
