-- Out: every held lease, and its owner.
SELECT id, lease, beats, lease_for, owner FROM main.omniq_task WHERE owner IS NOT NULL
