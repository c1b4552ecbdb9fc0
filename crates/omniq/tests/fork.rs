//! A forked child has a copy of a queue's memory, but none of its threads: each call there is an error. This test is alone
//! in its process, which it forks.
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

/// Runs a function in a forked child; panics if it panics there or if the child hangs.
fn in_a_child(function: impl FnOnce()) {
    // A lock that another thread holds at the fork stays locked in the child.
    wait_until("all threads are idle", |others| {
        others.iter().all(|(_, state)| *state == 'S')
    });
    let (mut reader, mut writer) = pipe().unwrap();
    // SAFETY: the child runs only what a child of OmniQ's users may run too, and then exits without returning from here.
    // The default allocator of the platform supports a fork.
    match unsafe { libc::fork() } {
        -1 => panic!("{}", std::io::Error::last_os_error()),
        0 => {
            // SAFETY: the call takes no pointer; the alarm kills a child that hangs.
            unsafe { libc::alarm(CEILING.as_secs() as u32) };
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(function));
            let _ = writer.write_all(if result.is_ok() { b"fine" } else { b"panicked" });
            // SAFETY: the call takes no pointer. It ends the process without the exit handlers of the parent.
            unsafe { libc::_exit(0) };
        }
        child => {
            drop(writer);
            let mut answer = String::new();
            reader.read_to_string(&mut answer).unwrap();
            // SAFETY: the process is our own child, and a null status is allowed.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            assert_eq!(answer, "fine", "an empty answer means that the child hung");
        }
    }
}

/// Checks that a call fails immediately with kind `Closed` and a text that says what to do.
fn assert_closed<T: std::fmt::Debug>(call: impl FnOnce() -> omniq::Result<T>) {
    let begin = Instant::now();
    let error = call().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    assert!(error.to_string().contains("connect again"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(2));
}

async fn echo(_: TaskContext, args: Args) -> Result<serde_json::Value, TaskError> {
    Ok(args.args.first().cloned().unwrap_or_default())
}

fn assert_works(omniq: &OmniQ) {
    let pool = omniq.worker().handler("echo", echo).start().unwrap();
    let handle = omniq.enqueue(call("echo").arg(7)).unwrap();
    assert_eq!(handle.wait(CEILING).unwrap(), 7);
    pool.stop().unwrap();
}

fn blocking_calls_are_closed(omniq: OmniQ, pool: WorkerPool) {
    let handle = omniq.enqueue(call("echo")).unwrap();
    let (id, mut events) = (handle.id(), omniq.events());
    in_a_child(move || {
        assert_closed(|| omniq.enqueue(call("echo")));
        assert_closed(|| omniq.enqueue_many([call("echo")].into_iter().take(0)));
        assert_closed(|| omniq.get_task(id));
        assert_closed(|| omniq.get_result(id));
        assert_closed(|| omniq.list_tasks(TaskFilter::new()));
        assert_closed(|| omniq.cancel_task(id));
        assert_closed(|| omniq.requeue_task(id));
        assert_closed(|| omniq.reschedule_task(id, omniq::Timestamp(0)));
        assert_closed(|| omniq.purge_results(Duration::ZERO));
        assert_closed(|| omniq.stats());
        assert_closed(|| handle.status());
        assert_closed(|| handle.cancel());
        assert_closed(|| handle.wait(CEILING));
        assert_closed(|| omniq.worker().handler("echo", echo).start());
        assert_closed(|| pool.join());
        assert_closed(|| pool.clone().run_until_signal());
        assert_closed(|| pool.clone().stop());
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
        assert_closed(|| runtime.block_on(omniq.enqueue(call("echo"))));
        assert_closed(|| runtime.block_on(omniq.enqueue_many([call("echo")].into_iter().take(0))));
        assert_closed(|| runtime.block_on(omniq.get_task(id)));
        assert_closed(|| runtime.block_on(omniq.get_result(id)));
        assert_closed(|| runtime.block_on(omniq.list_tasks(TaskFilter::new())));
        assert_closed(|| runtime.block_on(omniq.cancel_task(id)));
        assert_closed(|| runtime.block_on(omniq.requeue_task(id)));
        assert_closed(|| runtime.block_on(omniq.reschedule_task(id, omniq::Timestamp(0))));
        assert_closed(|| runtime.block_on(omniq.purge_results(Duration::ZERO)));
        assert_closed(|| runtime.block_on(omniq.stats()));
        assert_closed(|| runtime.block_on(handle.status()));
        assert_closed(|| runtime.block_on(handle.cancel()));
        assert_closed(|| runtime.block_on(handle.wait(CEILING)));
        assert_closed(|| runtime.block_on(omniq.worker().handler("echo", echo).start()));
        assert_closed(|| runtime.block_on(queue.dequeue(&[], CEILING)));
        assert_closed(|| runtime.block_on(pool.join()));
        assert_closed(|| runtime.block_on(pool.clone().run_until_signal()));
        assert_closed(|| runtime.block_on(pool.clone().stop()));
        assert!(runtime.block_on(events.next()).is_none());
        drop((omniq, queue, handle, events, pool));
    });
}

/// Returns the names and states of the other threads of this process.
fn other_threads() -> Vec<(String, char)> {
    let me = std::fs::read_link("/proc/thread-self").unwrap();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let others = tasks.filter(|task| Some(task.file_name().as_os_str()) != me.file_name());
    // A thread may end while it is read.
    let stats = others.flat_map(|task| std::fs::read_to_string(task.path().join("stat")));
    let parse = |stat: String| {
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
        Some((name.to_owned(), rest.chars().next()?))
    };
    stats.filter_map(parse).collect()
}

/// Waits until a condition holds for the other threads in several checks in a row.
fn wait_until(what: &str, condition: impl Fn(&[(String, char)]) -> bool) {
    let begin = Instant::now();
    let mut checks_in_a_row = 0;
    while checks_in_a_row < 20 {
        let others = other_threads();
        assert!(begin.elapsed() < CEILING, "{what}: {others:?}");
        checks_in_a_row = if condition(&others) {
            checks_in_a_row + 1
        } else {
            0
        };
        std::thread::yield_now();
    }
}

#[test]
fn each_call_in_a_forked_child_says_to_connect_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:///{}/{name}.db", folder.path().display());
    // As long as no queue is open, a child may open one, and so may the parent.
    in_a_child(|| assert_works(&OmniQ::connect(&url("shared")).unwrap()));
    let omniq = OmniQ::connect(&url("shared")).unwrap();
    assert_works(&omniq);
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
    assert_works(&omniq);
    pool.stop().unwrap();
    drop((omniq, runtime));
    wait_until("all threads of the queues have ended", |others| {
        others.iter().all(|(name, _)| name.starts_with("fork-"))
    });
    in_a_child(|| assert_works(&OmniQ::connect(&url("shared")).unwrap()));
}
