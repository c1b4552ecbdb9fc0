//! The benchmark matrix: every row of every table, with its two contenders and their options.

use crate::row::{Row, Run};

/// Returns all rows, or those that are not heavy if the run is short.
pub fn rows(short: bool) -> Vec<Row> {
    let mut rows = [w1(), w2(), w3(), w4(), w5(), files(), growth(), day()].concat();
    rows.retain(|row| !(short && row.heavy));
    rows
}

/// Returns a row that compares OmniQ with another contender. `both` are the options of both sides.
fn row(
    table: &'static str,
    what: &str,
    both: &str,
    ours: &str,
    theirs: (&'static str, &str),
) -> Row {
    let run = |contender, own: &str| {
        let words = format!("--workload {table} {both} {own}");
        let args = words.split_whitespace().collect::<Vec<_>>().join(" ");
        Run { contender, args }
    };
    Row {
        table,
        what: what.to_owned(),
        ours: run("omniq", ours),
        theirs: Some(run(theirs.0, theirs.1)),
        heavy: false,
    }
}

const FULL: &str = "--durability full";
const NORMAL: &str = "--durability normal";
const SHIPPED: &str = "--durability normal --as-shipped";
const MEMORY: &str = "--storage memory";

fn w1() -> Vec<Row> {
    let mut rows = Vec::new();
    for producers in [1, 16, 64, 1000] {
        let both = format!("--producers {producers}");
        let what = match producers {
            1 => "1 producer".to_owned(),
            n => format!("{n} producers"),
        };
        let mut add = |ours, theirs| rows.push(row("w1", &what, &both, ours, theirs));
        add(FULL, ("limit", FULL));
        add(NORMAL, ("effectum", NORMAL));
        if producers == 1 || producers == 64 {
            add(NORMAL, ("limit", NORMAL));
            add(FULL, ("effectum", NORMAL));
            add(FULL, ("effectum", SHIPPED));
        }
        if producers == 1 || producers == 16 {
            add(FULL, ("huey", FULL));
            add(FULL, ("fang", FULL));
            add(NORMAL, ("apalis1", NORMAL));
            add(NORMAL, ("apalis07", NORMAL));
        }
    }
    for (bytes, name) in PAYLOADS {
        let both = format!("--producers 64 --payload {bytes}");
        let what = format!("64 producers, {name}");
        rows.push(row("w1", &what, &both, FULL, ("limit", FULL)));
    }
    rows.push(row(
        "w1",
        "64 producers, in memory",
        "--producers 64",
        MEMORY,
        ("limit", MEMORY),
    ));
    rows
}

const PAYLOADS: [(usize, &str); 3] = [(100, "100 bytes"), (10_240, "10 KiB"), (1_048_576, "1 MiB")];

fn w2() -> Vec<Row> {
    let add = |ours, theirs| row("w2", "1 producer", "--producers 1", ours, theirs);
    vec![
        add(FULL, ("limit", FULL)),
        add(NORMAL, ("limit", NORMAL)),
        add(NORMAL, ("effectum", NORMAL)),
        add(NORMAL, ("apalis1", NORMAL)),
        add(MEMORY, ("limit", MEMORY)),
    ]
}

fn w3() -> Vec<Row> {
    let mut rows = Vec::new();
    for concurrency in [1, 10, 100] {
        let both = format!("--concurrency {concurrency}");
        let what = match concurrency {
            1 => "1 handler".to_owned(),
            n => format!("{n} handlers"),
        };
        let strict = format!("{what}, strict");
        let mut add = |what: &str, ours, theirs| rows.push(row("w3", what, &both, ours, theirs));
        add(&what, FULL, ("limit", "--durability full --prefetch 256"));
        let none = "--durability full --prefetch 0";
        add(&strict, none, ("limit", none));
        add(&what, FULL, ("effectum", NORMAL));
        if concurrency == 10 {
            add(
                &what,
                NORMAL,
                ("limit", "--durability normal --prefetch 256"),
            );
            add(&what, NORMAL, ("effectum", NORMAL));
            add(&what, NORMAL, ("apalis1", NORMAL));
            add(&what, NORMAL, ("apalis07", NORMAL));
            add(&what, NORMAL, ("apalis07", SHIPPED));
        }
        if concurrency < 100 {
            add(&what, FULL, ("fang", FULL));
            add(&what, FULL, ("huey", FULL));
        }
    }
    for (bytes, name) in PAYLOADS {
        let both = format!("--concurrency 10 --payload {bytes}");
        let what = format!("10 handlers, {name}");
        let limit = ("limit", "--durability full --prefetch 256");
        rows.push(row("w3", &what, &both, FULL, limit));
    }
    let limit = ("limit", "--storage memory --prefetch 256");
    rows.push(row(
        "w3",
        "10 handlers, in memory",
        "--concurrency 10",
        MEMORY,
        limit,
    ));
    rows
}

fn w4() -> Vec<Row> {
    let add = |what, ours, theirs| row("w4", what, "", ours, theirs);
    let across_full = "--durability full --across";
    let across_normal = "--durability normal --across";
    vec![
        add("claim in the commit of the enqueue", FULL, ("limit", FULL)),
        add(
            "claim in a commit of its own",
            FULL,
            ("limit", "--durability full --own-commit"),
        ),
        add(
            "claim in the commit of the enqueue",
            NORMAL,
            ("limit", NORMAL),
        ),
        add("one process", NORMAL, ("effectum", NORMAL)),
        add("one process", NORMAL, ("apalis1", NORMAL)),
        Row {
            heavy: true,
            ..add("one process", NORMAL, ("apalis07", NORMAL))
        },
        add("one process", FULL, ("fang", FULL)),
        add("one process", FULL, ("huey", FULL)),
        add(
            "across processes, compared with one process",
            across_full,
            ("omniq", FULL),
        ),
        add(
            "across processes, compared with one process",
            across_normal,
            ("omniq", NORMAL),
        ),
    ]
}

fn w5() -> Vec<Row> {
    let backlog = |tasks: usize| format!("--durability full --backlog {tasks}");
    let mut rows = Vec::new();
    for tasks in [1_000, 10_000, 100_000, 1_000_000] {
        let what = format!("{tasks} tasks waiting");
        let limit = format!("{} --prefetch 256", backlog(tasks));
        let heavy = tasks == 1_000_000;
        let compared_with_limit = row("w5", &what, "", &backlog(tasks), ("limit", &limit));
        rows.push(Row {
            heavy,
            ..compared_with_limit
        });
        if tasks <= 100_000 {
            let normal = format!("--durability normal --backlog {tasks}");
            rows.push(row("w5", &what, "", &normal, ("effectum", &normal)));
        }
    }
    let few = backlog(1_000);
    let mut compared_with_few =
        |what, ours: &str| rows.push(row("w5", what, "", ours, ("omniq", &few)));
    compared_with_few(
        "1000000 tasks waiting, compared with 1000",
        &backlog(1_000_000),
    );
    compared_with_few(
        "100000 tasks of higher priority, due in a day",
        &format!("{few} --future 100000"),
    );
    compared_with_few(
        "100000 tasks with other names",
        &format!("{few} --foreign 100000"),
    );
    let few = "--durability normal --backlog 1000";
    let mut both = |what, args: &str| rows.push(row("w5", what, "", args, ("effectum", args)));
    both(
        "100000 tasks of higher priority, due in a day",
        &format!("{few} --future 100000"),
    );
    both(
        "100000 tasks with other names",
        &format!("{few} --foreign 100000"),
    );
    rows
}

/// Compares a folder of files with SQLite, at the same guarantees.
fn files() -> Vec<Row> {
    let mut rows = Vec::new();
    for durability in [FULL, NORMAL] {
        let mut add = |what: &str, args: &str| {
            let run = |storage| Run {
                contender: "omniq",
                args: format!("{args} {durability} --storage {storage}"),
            };
            rows.push(Row {
                table: "files",
                what: what.to_owned(),
                ours: run("file"),
                theirs: Some(run("sqlite")),
                heavy: false,
            });
        };
        add("enqueue, 1 producer", "--workload w1 --producers 1");
        add("enqueue, 64 producers", "--workload w1 --producers 64");
        add("enqueue, 1,000 per call", "--workload w2 --producers 1");
        add("process, 10 handlers", "--workload w3 --concurrency 10");
        add("idle pool", "--workload w4");
    }
    rows
}

fn growth() -> Vec<Row> {
    let w3 = "--workload w3 --concurrency 10 --durability full";
    let w4 = "--workload w4 --durability full";
    let compare = |what, plain: &str, more: &str| {
        let args = format!("{plain} {more}");
        let run = |args: &str| Run {
            contender: "omniq",
            args: args.to_owned(),
        };
        Row {
            table: "growth",
            what: format!("{what}, compared with none"),
            ours: run(&args),
            theirs: Some(run(plain)),
            heavy: false,
        }
    };
    let processes = |count: usize| Row {
        what: format!("{count} worker processes, compared with 1"),
        ..compare("", w3, &format!("--processes {count}"))
    };
    vec![
        compare("10000 queues: processing", w3, "--queues 10000"),
        compare("10000 queues: latency", w4, "--queues 10000"),
        compare("100000 finished tasks: processing", w3, "--finished 100000"),
        Row {
            heavy: true,
            ..compare(
                "1000000 finished tasks: processing",
                w3,
                "--finished 1000000",
            )
        },
        compare("100000 finished tasks: latency", w4, "--finished 100000"),
        compare("10000 waiting callers: processing", w3, "--waits 10000"),
        compare("10000 waiting callers: latency", w4, "--waits 10000"),
        processes(2),
        processes(4),
    ]
}

fn day() -> Vec<Row> {
    let args = "--workload day --durability full".to_owned();
    let ours = Run {
        contender: "omniq",
        args,
    };
    vec![Row {
        table: "day",
        what: "24 hours, results are kept for 2 hours".to_owned(),
        ours,
        theirs: None,
        heavy: false,
    }]
}
