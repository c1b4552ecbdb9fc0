//! Where blocking calls are refused, and where they work: one test for each kind of thread.

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

/// Whether a call is answered here; a refusal has to say what to do.
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
fn ordinary_threads_may_block() {
    let omniq = queue();
    assert!(works(&omniq));
    for runtime in [several_threads(), one_thread()] {
        let _entered = runtime.enter();
        assert!(works(&omniq), "entering is not driving");
    }
    let of_a_task = several_threads().block_on(async move {
        let thread = std::thread::spawn(move || works(&omniq));
        spawn_blocking(|| thread.join().unwrap()).await.unwrap()
    });
    assert!(of_a_task);
}

#[test]
fn blocking_threads_may_block() {
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
fn a_worker_that_hands_its_tasks_on_may_block() {
    let omniq = queue();
    let runtime = several_threads();
    let (a, b) = (omniq.clone(), omniq);
    assert!(runtime.block_on(async move { tokio::task::block_in_place(|| works(&a)) }));
    let task = async move { (tokio::task::block_in_place(|| works(&b)), works(&b)) };
    let task = runtime.block_on(runtime.spawn(task)).unwrap();
    assert_eq!(task, (true, false), "in place, and again afterwards");
}

#[test]
fn the_root_of_a_runtime_is_refused() {
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
fn a_task_is_refused() {
    for runtime in [several_threads(), one_thread()] {
        let omniq = queue();
        let worked = runtime.block_on(runtime.spawn(async move { works(&omniq) }));
        assert!(!worked.unwrap());
    }
}

#[test]
fn a_local_task_is_refused() {
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

/// A look must not use up what a task may do before it yields, nor be misled when that is used up.
#[test]
fn a_look_leaves_the_task_its_steps() {
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

/// It can't be told from a blocking thread: what is certain is that nothing panics.
#[test]
fn an_unconstrained_future_does_not_panic() {
    let omniq = queue();
    for runtime in [several_threads(), one_thread()] {
        runtime.block_on(tokio::task::unconstrained(async { works(&omniq) }));
    }
}

#[test]
fn a_thread_that_ends_does_not_panic() {
    struct AtTheEnd(OmniQ, std::sync::mpsc::Sender<bool>);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            self.1.send(self.0.enqueue(call("a")).is_ok()).unwrap();
        }
    }
    thread_local!(static KEPT: std::cell::RefCell<Option<AtTheEnd>> = const { std::cell::RefCell::new(None) });
    let (sender, answer) = channel();
    let omniq = queue();
    let thread = std::thread::spawn(move || {
        KEPT.set(Some(AtTheEnd(omniq.clone(), sender)));
        assert!(works(&omniq));
    });
    thread.join().unwrap();
    // Either answer will do: it depends on which thread-local goes first.
    answer.recv_timeout(CEILING).unwrap();
}

#[test]
fn every_call_is_refused_alike() {
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

/// Whether an async and a blocking handler of a pool may call the façade.
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
fn blocking_handlers_may_block_and_async_ones_may_not() {
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
async fn also_in_an_async_pool() {
    let elsewhere = spawn_blocking(queue).await.unwrap();
    let [polled, blocking] = handlers(&elsewhere);
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
