//! A forked child has a queue's memory, but none of its threads. Alone in its process, which it forks.
#![cfg(all(target_os = "linux", feature = "sqlite", feature = "memory"))]
// `fork` has no safe form.
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _, pipe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use omniq::{
    Args, AsyncOmniQ, AsyncTaskQueue, AsyncWorkerPool, ErrorKind, MemoryStorage, OmniQ, Settings,
    SqliteStorage, TaskContext, TaskError, TaskFilter, WorkerPool, call,
};

const CEILING: Duration = Duration::from_secs(20);

/// Runs this in a forked child; a panic there is one here, and so is a child that hangs.
fn in_a_child(what: impl FnOnce()) {
    // What a busy thread has locked at this moment stays locked in the child.
    wait_until("all threads are idle", |others| {
        others.iter().all(|(_, state)| *state == 'S')
    });
    let (mut hears, tells) = pipe().unwrap();
    // SAFETY: the child only runs what a child of OmniQ's users may run as well, and then ends without
    // coming back here. The system's allocator is ready for a fork.
    match unsafe { libc::fork() } {
        -1 => panic!("{}", std::io::Error::last_os_error()),
        0 => {
            // SAFETY: a plain call; the alarm ends a child that hangs.
            unsafe { libc::alarm(CEILING.as_secs() as u32) };
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(what));
            let mut tells = tells;
            let _ = tells.write_all(if ended.is_ok() { b"fine" } else { b"panicked" });
            // SAFETY: ends the process at once, without what the parent wants done at its own end.
            unsafe { libc::_exit(0) };
        }
        child => {
            drop(tells);
            let mut told = String::new();
            hears.read_to_string(&mut told).unwrap();
            // SAFETY: a plain call on our own child.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            assert_eq!(told, "fine", "nothing at all: the child hung");
        }
    }
}

/// At once, and with a text that says what to do.
fn is_closed<T: std::fmt::Debug>(call: impl FnOnce() -> omniq::Result<T>) {
    let begin = Instant::now();
    let error = call().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    assert!(error.to_string().contains("connect again"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(2));
}

async fn echo(_: TaskContext, args: Args) -> Result<serde_json::Value, TaskError> {
    Ok(args.args.first().cloned().unwrap_or_default())
}

fn works(omniq: &OmniQ) {
    let pool = omniq.worker().handler("echo", echo).start().unwrap();
    let handle = omniq.enqueue(call("echo").arg(7)).unwrap();
    assert_eq!(handle.wait(CEILING).unwrap(), 7);
    pool.stop().unwrap();
}

fn blocking_calls_are_closed(omniq: OmniQ, pool: WorkerPool) {
    let handle = omniq.enqueue(call("echo")).unwrap();
    let (id, mut events) = (handle.id(), omniq.events());
    in_a_child(move || {
        is_closed(|| omniq.enqueue(call("echo")));
        is_closed(|| omniq.enqueue_many([call("echo")].into_iter().take(0)));
        is_closed(|| omniq.get_task(id));
        is_closed(|| omniq.get_result(id));
        is_closed(|| omniq.list_tasks(TaskFilter::new()));
        is_closed(|| omniq.cancel_task(id));
        is_closed(|| omniq.requeue_task(id));
        is_closed(|| omniq.reschedule_task(id, omniq::Timestamp(0)));
        is_closed(|| omniq.purge_results(Duration::ZERO));
        is_closed(|| omniq.stats());
        is_closed(|| handle.status());
        is_closed(|| handle.cancel());
        is_closed(|| handle.wait(CEILING));
        is_closed(|| omniq.worker().handler("echo", echo).start());
        is_closed(|| pool.join());
        is_closed(|| pool.clone().run_until_signal());
        is_closed(|| pool.clone().stop());
        assert!(events.next().is_none());
        drop((omniq, handle, events, pool));
    });
}

fn async_calls_are_closed(omniq: AsyncOmniQ, queue: AsyncTaskQueue, pool: AsyncWorkerPool) {
    let handle = omniq.handle::<u32>(omniq::TaskId::from_i64(1).unwrap());
    let (id, mut events) = (handle.id(), omniq.events());
    in_a_child(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        is_closed(|| runtime.block_on(omniq.enqueue(call("echo"))));
        is_closed(|| runtime.block_on(omniq.enqueue_many([call("echo")].into_iter().take(0))));
        is_closed(|| runtime.block_on(omniq.get_task(id)));
        is_closed(|| runtime.block_on(omniq.get_result(id)));
        is_closed(|| runtime.block_on(omniq.list_tasks(TaskFilter::new())));
        is_closed(|| runtime.block_on(omniq.cancel_task(id)));
        is_closed(|| runtime.block_on(omniq.requeue_task(id)));
        is_closed(|| runtime.block_on(omniq.reschedule_task(id, omniq::Timestamp(0))));
        is_closed(|| runtime.block_on(omniq.purge_results(Duration::ZERO)));
        is_closed(|| runtime.block_on(omniq.stats()));
        is_closed(|| runtime.block_on(handle.status()));
        is_closed(|| runtime.block_on(handle.cancel()));
        is_closed(|| runtime.block_on(handle.wait(CEILING)));
        is_closed(|| runtime.block_on(omniq.worker().handler("echo", echo).start()));
        is_closed(|| runtime.block_on(queue.dequeue(&[], CEILING)));
        is_closed(|| runtime.block_on(pool.join()));
        is_closed(|| runtime.block_on(pool.clone().run_until_signal()));
        is_closed(|| runtime.block_on(pool.clone().stop()));
        assert!(runtime.block_on(events.next()).is_none());
        drop((omniq, queue, handle, events, pool));
    });
}

/// The names and states of the other threads of this process.
fn other_threads() -> Vec<(String, char)> {
    let me = std::fs::read_link("/proc/thread-self").unwrap();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let others = tasks.filter(|task| Some(task.file_name().as_os_str()) != me.file_name());
    // One may end while it is looked at.
    let stats = others.flat_map(|task| std::fs::read_to_string(task.path().join("stat")));
    let parse = |stat: String| {
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
        Some((name.to_owned(), rest.chars().next()?))
    };
    stats.filter_map(parse).collect()
}

/// Waits until the other threads are like this, for some looks in a row.
fn wait_until(what: &str, is_so: impl Fn(&[(String, char)]) -> bool) {
    let begin = Instant::now();
    let mut looks = 0;
    while looks < 20 {
        let others = other_threads();
        assert!(begin.elapsed() < CEILING, "{what}: {others:?}");
        looks = if is_so(&others) { looks + 1 } else { 0 };
        std::thread::yield_now();
    }
}

#[test]
fn a_forked_child_is_told_to_connect_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:///{}/{name}.db", folder.path().display());
    // Before anything is open, a child may do what it likes; and so may the parent.
    in_a_child(|| works(&OmniQ::connect(&url("shared")).unwrap()));
    let omniq = OmniQ::connect(&url("shared")).unwrap();
    works(&omniq);
    let pool = omniq.worker().handler("other", echo).start().unwrap();
    blocking_calls_are_closed(omniq.clone(), pool.clone());

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (a, queue, running) = runtime.block_on(async {
        let a = AsyncOmniQ::connect(&url("async")).await.unwrap();
        let queue = AsyncTaskQueue::new(Arc::new(MemoryStorage::new()), &Settings::default());
        let worker = a.worker().handler("other", echo);
        (a, queue.unwrap(), worker.start().await.unwrap())
    });
    async_calls_are_closed(a, queue, running);

    in_a_child(|| {
        for name in ["shared", "another"] {
            let path = folder.path().join(format!("{name}.db"));
            let error = SqliteStorage::open(path, &Settings::default())
                .err()
                .unwrap();
            assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
            assert!(error.to_string().contains("Fork before"), "{error}");
        }
    });
    works(&omniq);
    pool.stop().unwrap();
    drop((omniq, runtime));
    wait_until("all threads of the queues have ended", |others| {
        others.iter().all(|(name, _)| name.starts_with("fork-"))
    });
    in_a_child(|| works(&OmniQ::connect(&url("shared")).unwrap()));
}
