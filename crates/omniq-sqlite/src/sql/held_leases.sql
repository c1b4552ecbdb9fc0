-- Out: every lease that somebody holds, and who.
SELECT id, lease, beats, lease_for, owner FROM main.omniq_task WHERE owner IS NOT NULL
