//! The raw limit: plain SQLite behind one writer thread, with nothing that makes a queue worth having:
//! no leases, no retries, no unique keys, no errors, no wake-ups.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Instant;

use bench_harness::{Level, Options, Outcome, Workload, w1};
use clap::Parser;
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

const SCHEMA: &str = "
    CREATE TABLE task (
        id INTEGER PRIMARY KEY, status INTEGER NOT NULL, priority INTEGER NOT NULL,
        eta INTEGER NOT NULL, payload BLOB NOT NULL, result BLOB
    ) STRICT;
    CREATE INDEX ready ON task (priority DESC, eta) WHERE status = 0;
";

#[tokio::main(worker_threads = 2)]
async fn main() {
    let options = Options::parse();
    let folder = options.folder();
    let path = folder.path().join("limit.db");
    let conn = open(&path, options.durability);
    conn.execute_batch(SCHEMA).expect("the schema");
    let outcome = match options.workload {
        Workload::W1 => enqueue(&options, conn).await,
        Workload::W3 => process(&options, conn).await,
    };
    options.report("limit", &outcome);
}

fn open(path: &Path, level: Level) -> Connection {
    let conn = Connection::open(path).expect("a database");
    let level = if level == Level::Full {
        "FULL"
    } else {
        "NORMAL"
    };
    conn.pragma_update(None, "journal_mode", "WAL")
        .expect("WAL");
    conn.pragma_update(None, "synchronous", level)
        .expect("a level");
    conn
}

fn payload(i: usize, pad: Option<&str>) -> Vec<u8> {
    match pad {
        None => format!("{{\"n\":{i}}}").into_bytes(),
        Some(pad) => format!("{{\"n\":{i},\"pad\":\"{pad}\"}}").into_bytes(),
    }
}

fn insert(conn: &Connection, id: i64, payload: &[u8]) {
    let sql = "INSERT INTO task (id, status, priority, eta, payload) VALUES (?1, 0, 0, ?1, ?2)";
    conn.prepare_cached(sql)
        .and_then(|mut s| s.execute(params![id, payload]))
        .expect("an insert");
}

fn transaction<T>(conn: &Connection, work: impl FnOnce() -> T) -> T {
    let run = |sql| {
        conn.prepare_cached(sql)
            .and_then(|mut s| s.execute([]))
            .expect("a transaction")
    };
    run("BEGIN IMMEDIATE");
    let result = work();
    run("COMMIT");
    result
}

/// Whatever waits, up to 1,000.
fn batch<T>(inbox: &mpsc::Receiver<T>) -> Vec<T> {
    let first = inbox.recv().ok();
    first
        .into_iter()
        .chain(inbox.try_iter())
        .take(1_000)
        .collect()
}

async fn enqueue(options: &Options, conn: Connection) -> Outcome {
    let (send, inbox) = mpsc::channel::<(Vec<u8>, oneshot::Sender<()>)>();
    let writer = std::thread::spawn(move || {
        let mut id = 0;
        loop {
            let letters = batch(&inbox);
            if letters.is_empty() {
                return;
            }
            transaction(&conn, || {
                for (payload, _) in &letters {
                    id += 1;
                    insert(&conn, id, payload);
                }
            });
            for (_, reply) in letters {
                let _ = reply.send(());
            }
        }
    });
    let pad: Option<Arc<str>> = options.pad().map(Into::into);
    let outcome = w1(options, move |i| {
        let (send, pad) = (send.clone(), pad.clone());
        async move {
            let (reply, answer) = oneshot::channel();
            send.send((payload(i, pad.as_deref()), reply))
                .expect("the writer");
            answer.await.expect("the writer");
        }
    })
    .await;
    writer.join().expect("the writer");
    outcome
}

/// A worker's word to the writer: what it finished, and whom to give the next task.
type Turn = (Option<i64>, oneshot::Sender<Option<i64>>);

async fn process(options: &Options, conn: Connection) -> Outcome {
    let pad = options.pad();
    transaction(&conn, || {
        (0..options.n).for_each(|i| insert(&conn, i as i64 + 1, &payload(i, pad.as_deref())));
    });
    let prefetch = options.prefetch.unwrap_or(0);
    let (send, inbox) = mpsc::channel::<Turn>();
    let started = Instant::now();
    let writer = std::thread::spawn(move || turns(&conn, &inbox, prefetch));
    let workers: Vec<_> = (0..options.concurrency)
        .map(|_| {
            let send = send.clone();
            tokio::spawn(async move {
                let mut finished = None;
                loop {
                    let (reply, answer) = oneshot::channel();
                    send.send((finished, reply)).expect("the writer");
                    finished = answer.await.expect("the writer");
                    if finished.is_none() {
                        return;
                    }
                }
            })
        })
        .collect();
    drop(send);
    for worker in workers {
        worker.await.expect("a worker");
    }
    writer.join().expect("the writer");
    Outcome {
        took: started.elapsed(),
        latency: None,
    }
}

/// Settles what was finished and claims for all who ask, in one transaction; `prefetch` tasks are claimed
/// ahead, and handed out without waiting for a commit.
fn turns(conn: &Connection, inbox: &mpsc::Receiver<Turn>, prefetch: usize) {
    let mut ahead = std::collections::VecDeque::new();
    let mut finished: Vec<i64> = Vec::new();
    loop {
        let turns = batch(inbox);
        if turns.is_empty() && finished.is_empty() {
            return;
        }
        finished.extend(turns.iter().filter_map(|(id, _)| *id));
        if turns.is_empty() || ahead.len() < turns.len() {
            let wanted = turns.len() + prefetch - ahead.len();
            transaction(conn, || {
                finished.drain(..).for_each(|id| settle(conn, id));
                ahead.extend(claim(conn, wanted));
            });
        }
        for (_, reply) in turns {
            let _ = reply.send(ahead.pop_front());
        }
    }
}

fn settle(conn: &Connection, id: i64) {
    let sql = "UPDATE task SET status = 2, result = 'null' WHERE id = ?1 AND status = 1";
    let sql = sql.replace("'null'", "x'6e756c6c'");
    conn.prepare_cached(&sql)
        .and_then(|mut s| s.execute([id]))
        .expect("a settlement");
}

fn claim(conn: &Connection, wanted: usize) -> Vec<i64> {
    let sql = "SELECT id FROM task WHERE status = 0 ORDER BY priority DESC, eta LIMIT ?1";
    let mut ready = conn.prepare_cached(sql).expect("a query");
    let ids = ready
        .query_map([wanted as i64], |row| row.get(0))
        .expect("a query");
    let ids: Vec<i64> = ids.map(|id| id.expect("an id")).collect();
    let sql = "UPDATE task SET status = 1 WHERE id = ?1 AND status = 0 RETURNING payload";
    let mut take = conn.prepare_cached(sql).expect("a claim");
    for id in &ids {
        let _: Vec<u8> = take.query_row([id], |row| row.get(0)).expect("a claim");
    }
    ids
}
