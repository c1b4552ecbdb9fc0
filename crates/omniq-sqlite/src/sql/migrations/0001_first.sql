-- Creates the first schema. Numbered migrations never change once released.
-- Times are microseconds since 1970 UTC, durations are microseconds.

-- A lane is a queue, a name and a format; tasks carry its small number.
CREATE TABLE omniq_lane (
    id     INTEGER PRIMARY KEY,
    queue  TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    format INTEGER NOT NULL,            -- 0 json, 1 msgpack, 2 pickle, 3 raw
    UNIQUE (queue, name, format)
) STRICT;

CREATE TABLE omniq_task (
    id            INTEGER PRIMARY KEY,
    lane          INTEGER NOT NULL REFERENCES omniq_lane (id),
    status        INTEGER NOT NULL DEFAULT 0,  -- 0 pending, 1 running, 2 success, 3 failed, 4 cancelled
    due           INTEGER NOT NULL DEFAULT 1,  -- 1 once the eta was reached; stays 1 if the clock goes back
    priority      INTEGER NOT NULL DEFAULT 0,  -- higher first
    eta           INTEGER NOT NULL,
    interval      INTEGER,
    series_id     INTEGER,                     -- the first task of a series that repeats
    attempts      INTEGER NOT NULL DEFAULT 0,
    max_attempts  INTEGER NOT NULL DEFAULT 3,
    crashes       INTEGER NOT NULL DEFAULT 0,
    timeout       INTEGER,                     -- NULL: no limit
    backoff       TEXT,                        -- JSON; NULL: the default
    unique_name   TEXT,                        -- the task's name, where it has a unique key
    unique_key    TEXT,
    lease         INTEGER NOT NULL DEFAULT 0,  -- the number of the last claim; only goes up
    owner         INTEGER,                     -- who holds the lease
    beats         INTEGER NOT NULL DEFAULT 0,  -- how often this lease was renewed
    lease_for     INTEGER NOT NULL DEFAULT 0,
    holds         INTEGER NOT NULL DEFAULT 0,  -- 0: may run
    headers       TEXT,                        -- a JSON object; NULL: empty
    payload       BLOB    NOT NULL,
    enqueued_at   INTEGER NOT NULL,
    started_at    INTEGER,
    finished_at   INTEGER,
    result_format INTEGER,
    result        BLOB,
    progress      REAL,                        -- from 0 to 1, of the last claim
    progress_text TEXT,
    progressed_at INTEGER
) STRICT;

-- Claims read this index: due tasks only, in the order of running.
CREATE INDEX omniq_task_ready ON omniq_task (lane, priority DESC, eta)
    WHERE status = 0 AND due = 1 AND holds = 0;

-- Tasks that wait for their eta. Claims do not read them until then.
CREATE INDEX omniq_task_waiting ON omniq_task (lane, eta)
    WHERE status = 0 AND due = 0 AND holds = 0;

-- Tasks that have an owner.
CREATE INDEX omniq_task_held ON omniq_task (owner)
    WHERE owner IS NOT NULL;

-- The purge reads this index.
CREATE INDEX omniq_task_finished ON omniq_task (status, finished_at)
    WHERE finished_at IS NOT NULL;

-- A key is held until its task is finished and no owner runs it any more.
CREATE UNIQUE INDEX omniq_task_unique ON omniq_task (unique_name, unique_key)
    WHERE unique_key IS NOT NULL AND (status < 2 OR owner IS NOT NULL);

-- A series has at most one unfinished member.
CREATE UNIQUE INDEX omniq_task_series ON omniq_task (series_id)
    WHERE series_id IS NOT NULL AND status < 2;

-- The errors of failed attempts: TaskError as JSON, the last 20 of a task.
CREATE TABLE omniq_error (
    task  INTEGER NOT NULL,
    lease INTEGER NOT NULL,             -- of the attempt that failed
    error TEXT    NOT NULL,
    PRIMARY KEY (task, lease)
) STRICT, WITHOUT ROWID;

-- The largest id ever assigned, so that no id is assigned twice, even after a purge.
CREATE TABLE omniq_high_water (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id   INTEGER NOT NULL
) STRICT;

INSERT INTO omniq_high_water (only, id) VALUES (1, 0);

-- Identifies this database. A copy of the file has the same identity.
CREATE TABLE omniq_identity (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id   TEXT    NOT NULL
) STRICT;

INSERT INTO omniq_identity (only, id) VALUES (1, lower(hex(randomblob(16))));
