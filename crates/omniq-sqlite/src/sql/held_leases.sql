-- Out: every lease that somebody holds.
SELECT id, lease, beats, lease_for FROM omniq_task WHERE owner IS NOT NULL
