-- Out: the largest number of a lane.
SELECT max(id) FROM main.omniq_lane
