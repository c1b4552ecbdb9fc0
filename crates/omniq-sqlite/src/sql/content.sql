-- Out: the identity that this database got when it was created, and the largest id that was assigned.
SELECT (SELECT id FROM main.omniq_identity WHERE only = 1), id FROM main.omniq_high_water WHERE only = 1
