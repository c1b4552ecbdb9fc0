-- Out: what tells this database from every other.
SELECT id FROM main.omniq_identity WHERE only = 1
