-- Out: the largest lane.
SELECT max(id) FROM omniq_lane
