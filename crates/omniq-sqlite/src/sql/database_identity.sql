-- Out: the identity that this database got when it was created.
SELECT id FROM main.omniq_identity WHERE only = 1
