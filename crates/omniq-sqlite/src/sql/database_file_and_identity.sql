-- Out: the file of a connection's main database, and what tells that database from every other.
SELECT (SELECT CAST(file AS BLOB) FROM pragma_database_list WHERE name = 'main'), id
FROM main.omniq_identity WHERE only = 1
