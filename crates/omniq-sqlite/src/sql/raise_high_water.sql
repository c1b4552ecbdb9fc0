-- In: the largest id assigned. Guard: it only rises. Changes: the only row.
UPDATE main.omniq_high_water SET id = ?1 WHERE only = 1 AND id < ?1
