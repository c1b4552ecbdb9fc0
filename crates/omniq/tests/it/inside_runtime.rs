//! Blocking calls are refused on threads that poll async tasks and work on all others: one test for each kind of thread.

use std::sync::mpsc::channel;
use std::time::Duration;

use omniq::blocking::TaskHandle;
use omniq::{AsyncOmniQ, ErrorKind, Handler, OmniQ, TaskContext, TaskFilter, call};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, spawn_blocking, spawn_local};

use crate::setup::CEILING;

fn several_threads() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn queue() -> OmniQ {
    OmniQ::connect("memory:").unwrap()
}

/// Whether a blocking call works on this thread. Checks that a refusal says what to do.
fn works(omniq: &OmniQ) -> bool {
    match omniq.enqueue(call("a")) {
        Ok(handle) => handle.status().is_ok(),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InsideRuntime);
            assert!(error.to_string().contains("AsyncOmniQ"), "{error}");
            false
        }
    }
}

#[test]
fn calls_work_on_ordinary_threads() {
    let omniq = queue();
    assert!(works(&omniq));
    for runtime in [several_threads(), one_thread()] {
        let _entered = runtime.enter();
        assert!(works(&omniq), "an entered runtime does not poll tasks here");
    }
    let from_a_task = several_threads().block_on(async move {
        let thread = std::thread::spawn(move || works(&omniq));
        spawn_blocking(|| thread.join().unwrap()).await.unwrap()
    });
    assert!(from_a_task);
}

#[test]
fn calls_work_in_spawn_blocking() {
    for runtime in [several_threads(), one_thread()] {
        let omniq = queue();
        let worked = runtime.block_on(async move {
            tokio::spawn(async move { spawn_blocking(move || works(&omniq)).await.unwrap() })
                .await
                .unwrap()
        });
        assert!(worked);
    }
}

#[test]
fn calls_work_in_block_in_place() {
    let omniq = queue();
    let runtime = several_threads();
    let (a, b) = (omniq.clone(), omniq);
    assert!(runtime.block_on(async move { tokio::task::block_in_place(|| works(&a)) }));
    let task = async move { (tokio::task::block_in_place(|| works(&b)), works(&b)) };
    let task = runtime.block_on(runtime.spawn(task)).unwrap();
    assert_eq!(
        task,
        (true, false),
        "works in place, and is refused afterwards"
    );
}

#[test]
fn calls_are_refused_in_block_on() {
    let omniq = queue();
    for runtime in [several_threads(), one_thread()] {
        assert!(!runtime.block_on(async { works(&omniq) }));
        let beside_others = async {
            tokio::join!(async { works(&omniq) }, async {
                tokio::select! { worked = async { works(&omniq) } => worked }
            })
        };
        assert_eq!(runtime.block_on(beside_others), (false, false));
    }
}

#[test]
fn calls_are_refused_in_a_spawned_task() {
    for runtime in [several_threads(), one_thread()] {
        let omniq = queue();
        let worked = runtime.block_on(runtime.spawn(async move { works(&omniq) }));
        assert!(!worked.unwrap());
    }
}

#[test]
fn calls_are_refused_in_a_local_task() {
    for runtime in [several_threads(), one_thread()] {
        let (omniq, local) = (queue(), LocalSet::new());
        let there = omniq.clone();
        let worked = local.run_until(async move {
            let spawned = spawn_local(async move { works(&there) });
            (works(&omniq), spawned.await.unwrap())
        });
        assert_eq!(runtime.block_on(worked), (false, false));
    }
}

/// The check reads the task's coop budget. It must not use the budget up, and it must work when the budget is used up.
#[test]
fn a_refused_call_leaves_the_task_its_coop_budget() {
    let omniq = queue();
    several_threads().block_on(async {
        for _ in 0..1_000 {
            assert!(!works(&omniq));
        }
        assert!(tokio::task::coop::has_budget_remaining());
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        (0..1_000).for_each(|number| sender.send(number).unwrap());
        let receive = std::future::poll_fn(|cx| {
            while receiver.poll_recv(cx).is_ready() {}
            assert!(!tokio::task::coop::has_budget_remaining());
            std::task::Poll::Ready(works(&omniq))
        });
        assert!(!receive.await);
    });
}

/// Such a future can't be distinguished from a blocking thread. The call may work or be refused.
#[test]
fn a_call_in_an_unconstrained_future_does_not_panic() {
    let omniq = queue();
    for runtime in [several_threads(), one_thread()] {
        runtime.block_on(tokio::task::unconstrained(async { works(&omniq) }));
    }
}

#[test]
fn a_call_on_an_ending_thread_does_not_panic() {
    struct AtTheEnd(OmniQ, std::sync::mpsc::Sender<bool>);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            self.1.send(self.0.enqueue(call("a")).is_ok()).unwrap();
        }
    }
    thread_local!(static AT_THE_END: std::cell::RefCell<Option<AtTheEnd>> = const { std::cell::RefCell::new(None) });
    let (sender, answer) = channel();
    let omniq = queue();
    let thread = std::thread::spawn(move || {
        AT_THE_END.set(Some(AtTheEnd(omniq.clone(), sender)));
        assert!(works(&omniq));
    });
    thread.join().unwrap();
    // Either answer is right: it depends on which thread-local is dropped first.
    answer.recv_timeout(CEILING).unwrap();
}

#[test]
fn every_call_is_refused_with_the_same_kind() {
    let omniq = queue();
    let handle: TaskHandle<u32> = omniq.handle(omniq.enqueue(call("a")).unwrap().id());
    let nothing = |_: TaskContext, _: omniq::Args| async { Ok::<_, omniq::TaskError>(()) };
    let start = || omniq.worker().handler("b", nothing).start();
    let (pool, id) = (start().unwrap(), handle.id());
    let refused = one_thread().block_on(async {
        let mut kinds = vec![
            OmniQ::connect("memory:").unwrap_err().kind(),
            OmniQ::with_settings(omniq.settings().clone())
                .unwrap_err()
                .kind(),
            omniq.enqueue_many([call("a")]).unwrap_err().kind(),
            omniq.get_task(id).unwrap_err().kind(),
            omniq.get_result(id).unwrap_err().kind(),
            omniq.list_tasks(TaskFilter::new()).unwrap_err().kind(),
            omniq.cancel_task(id).unwrap_err().kind(),
            omniq.requeue_task(id).unwrap_err().kind(),
            omniq
                .reschedule_task(id, omniq::Timestamp(0))
                .unwrap_err()
                .kind(),
            omniq.purge_results(Duration::ZERO).unwrap_err().kind(),
            omniq.stats().unwrap_err().kind(),
            handle.status().unwrap_err().kind(),
            handle.cancel().unwrap_err().kind(),
            handle.wait(CEILING).unwrap_err().kind(),
            start().unwrap_err().kind(),
            pool.join().unwrap_err().kind(),
            pool.clone().run_until_signal().unwrap_err().kind(),
            pool.clone().stop().unwrap_err().kind(),
        ];
        let handles = [handle.clone(), handle.clone()];
        kinds.push(
            TaskHandle::wait_first(&handles, CEILING)
                .unwrap_err()
                .kind(),
        );
        let all = TaskHandle::wait_all(&handles, CEILING);
        assert_eq!(all.len(), 2);
        kinds.extend(all.into_iter().map(|one| one.unwrap_err().kind()));
        assert!(omniq.events().next().is_none());
        kinds
    });
    assert!(refused.iter().all(|kind| *kind == ErrorKind::InsideRuntime));
    pool.stop().unwrap();
}

/// Returns an async and a blocking handler, which return whether a blocking call worked in them.
fn handlers(omniq: &OmniQ) -> [Handler; 2] {
    let (a, b) = (omniq.clone(), omniq.clone());
    let polled = Handler::new(move |_: TaskContext, _: omniq::Args| {
        let worked = works(&a);
        async move { Ok::<_, omniq::TaskError>(worked) }
    });
    [
        polled,
        Handler::blocking(move |_: TaskContext, _: omniq::Args| Ok(works(&b))),
    ]
}

#[test]
fn calls_work_in_blocking_handlers_and_are_refused_in_async_ones() {
    let omniq = queue();
    let [polled, blocking] = handlers(&omniq);
    let worker = omniq.worker().with_handler("polled", polled);
    let pool = worker.with_handler("blocking", blocking).start().unwrap();
    let orders = [call("polled"), call("blocking")];
    let handles = omniq.enqueue_many(orders).unwrap();
    assert_eq!(handles[0].wait(CEILING).unwrap(), false);
    assert_eq!(handles[1].wait(CEILING).unwrap(), true);
    pool.stop().unwrap();
}

#[tokio::test]
async fn an_async_pool_treats_its_handlers_the_same_way() {
    let blocking_queue = spawn_blocking(queue).await.unwrap();
    let [polled, blocking] = handlers(&blocking_queue);
    let omniq = AsyncOmniQ::connect("memory:").await.unwrap();
    let worker = omniq.worker().with_handler("polled", polled);
    let worker = worker.with_handler("blocking", blocking);
    let pool = worker.start().await.unwrap();
    let handle = omniq.enqueue(call("polled")).await.unwrap();
    assert_eq!(handle.wait(CEILING).await.unwrap(), false);
    let handle = omniq.enqueue(call("blocking")).await.unwrap();
    assert_eq!(handle.wait(CEILING).await.unwrap(), true);
    pool.stop().await.unwrap();
}
