-- In: nothing. Changes: makes the table of the schema's version, where it is missing.
CREATE TABLE IF NOT EXISTS omniq_schema (version INTEGER PRIMARY KEY) STRICT
