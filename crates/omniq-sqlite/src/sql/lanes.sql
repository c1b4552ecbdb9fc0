-- Out: every lane.
SELECT id, queue, name, format FROM omniq_lane
