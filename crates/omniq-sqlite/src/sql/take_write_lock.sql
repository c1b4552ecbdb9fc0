-- In: nothing. Changes: no row, but the transaction now holds the write lock, as after any update.
UPDATE main.omniq_high_water SET id = id WHERE only = 0
