-- Out: the file of a connection's main database, and the identity that this database got when it was created.
SELECT (SELECT CAST(file AS BLOB) FROM pragma_database_list WHERE name = 'main'), id
FROM main.omniq_identity WHERE only = 1
