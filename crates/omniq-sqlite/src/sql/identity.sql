-- Out: what tells this database from every other.
SELECT id FROM omniq_identity WHERE only = 1
