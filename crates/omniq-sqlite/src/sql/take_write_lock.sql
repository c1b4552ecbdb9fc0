-- In: nothing. Changes: no row, but from now on the transaction holds the write lock, as for any update.
UPDATE main.omniq_high_water SET id = id WHERE only = 0
