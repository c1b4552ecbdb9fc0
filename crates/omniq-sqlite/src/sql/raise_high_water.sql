-- In: the largest id given. Guard: only upwards. Changes: the one row.
UPDATE main.omniq_high_water SET id = ?1 WHERE only = 1 AND id < ?1
