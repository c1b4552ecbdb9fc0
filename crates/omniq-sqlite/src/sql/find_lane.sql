-- In: a queue, a name and a format. Out: the number of this lane.
SELECT id FROM main.omniq_lane WHERE queue = ?1 AND name = ?2 AND format = ?3
