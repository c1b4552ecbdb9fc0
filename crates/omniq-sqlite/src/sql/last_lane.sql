-- Out: the largest lane.
SELECT max(id) FROM main.omniq_lane
