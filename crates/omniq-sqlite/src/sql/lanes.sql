-- Out: every lane.
SELECT id, queue, name, format FROM main.omniq_lane
