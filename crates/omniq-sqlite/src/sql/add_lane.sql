-- In: a queue, a name and a format. Changes: one new row. Out: its number.
INSERT INTO main.omniq_lane (queue, name, format) VALUES (?1, ?2, ?3) RETURNING id
