-- In: nothing. Changes: creates the table of the schema's version, if it is missing.
CREATE TABLE IF NOT EXISTS omniq_schema (version INTEGER PRIMARY KEY) STRICT
