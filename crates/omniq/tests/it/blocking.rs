//! The blocking API does what the async one does.

use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use omniq::blocking::TaskHandle;
use omniq::{
    Args, ErrorKind, EventKind, Handler, OmniQ, Settings, State, Storage, TaskContext, TaskError,
    TaskFilter, TaskStatus, call,
};

use crate::setup::{CEILING, Open, echo, forever, quick};

/// Makes a test on each storage of each scenario.
macro_rules! on_each_storage {
    ($($name:ident),+ $(,)?) => {
        #[cfg(feature = "memory")]
        mod memory {
            $(#[test]
            fn $name() {
                super::$name($crate::setup::memory());
            })+
        }

        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(#[test]
            fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name($crate::setup::sqlite(folder.path()));
            })+
        }
    };
}

on_each_storage!(
    every_method_does_what_its_async_twin_does,
    many_handles_can_be_waited_for,
    a_blocking_pool_runs_async_and_blocking_handlers,
    one_thread_can_stop_a_pool_while_others_join_it,
    a_dropped_pool_releases_its_running_tasks,
    many_threads_can_share_a_queue,
    a_queue_may_be_dropped_last_in_a_handler_or_in_an_async_task,
    a_blocking_handler_may_wait_for_another_task,
);

fn queue(storage: Arc<dyn Storage>) -> OmniQ {
    OmniQ::with_storage(storage, quick().build().unwrap()).unwrap()
}

fn every_method_does_what_its_async_twin_does(open: Open) {
    let omniq = queue(open());
    let mut events = omniq.events();
    let order = call("echo").arg(7).delay(Duration::from_secs(3_600));
    let handle = omniq.enqueue(order).unwrap();
    let id = handle.id();
    assert_eq!(handle.status().unwrap(), TaskStatus::Pending);
    assert_eq!(events.next().unwrap().kind, EventKind::Enqueued);
    assert_eq!(omniq.get_task(id).unwrap().unwrap().name, "echo");
    assert!(omniq.get_result(id).unwrap().is_none());
    assert_eq!(omniq.list_tasks(TaskFilter::new()).unwrap().len(), 1);
    assert_eq!(omniq.stats().unwrap().queues["default"].pending, 1);
    let worker = omniq.worker().handler("echo", echo).concurrency(2);
    let pool = worker.queues(["default"]).prefetch(0).start().unwrap();
    let error = handle.wait(Duration::from_millis(5)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    let eta = std::time::SystemTime::now() + Duration::from_secs(60);
    assert!(omniq.reschedule_task(id, eta).unwrap());
    assert!(omniq.cancel_task(id).unwrap());
    assert!(!handle.cancel().unwrap());
    assert!(omniq.requeue_task(id).unwrap());
    assert_eq!(handle.wait(CEILING).unwrap(), 7);
    let again: TaskHandle<u32> = omniq.handle(id);
    assert_eq!(again.clone().wait(CEILING).unwrap(), 7);
    assert!(omniq.get_result(id).unwrap().is_some());
    let summary = pool.stop().unwrap();
    assert_eq!((summary.total_finished, summary.left), (1, 0));
    assert_eq!(omniq.purge_results(Duration::ZERO).unwrap(), 1);
    assert!(again.status().unwrap_err().is_not_found());
    assert!(events.any(|event| event.kind == EventKind::Succeeded));
    drop((omniq, handle, again));
    assert!(
        events.next().is_none(),
        "nothing is left that could send an event"
    );
}

fn many_handles_can_be_waited_for(open: Open) {
    let omniq = queue(open());
    let worker = omniq.worker().handler("echo", echo);
    let pool = worker.handler("forever", forever).start().unwrap();
    let orders = [call("forever"), call("echo").arg(1)];
    let handles = omniq.enqueue_many(orders).unwrap();
    let (first, result) = TaskHandle::wait_first(&handles, CEILING).unwrap();
    assert_eq!((first, result.unwrap()), (1, 1.into()));
    handles[0].cancel().unwrap();
    let all = TaskHandle::wait_all(&handles, CEILING);
    assert_eq!(
        all[0].as_ref().unwrap_err().kind(),
        ErrorKind::TaskCancelled
    );
    assert_eq!(*all[1].as_ref().unwrap(), 1);
    let none = TaskHandle::<u32>::wait_first(&[], CEILING).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Settings);
    assert!(TaskHandle::<u32>::wait_all(&[], CEILING).is_empty());
    pool.stop().unwrap();
}

fn a_blocking_pool_runs_async_and_blocking_handlers(open: Open) {
    #[omniq::task]
    async fn polled(ctx: TaskContext, base: State<u64>, n: u64) -> Result<u64, TaskError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        ctx.progress(0.5, "half");
        Ok(n + *base)
    }

    #[omniq::task]
    fn called(base: State<u64>, n: u64) -> std::io::Result<u64> {
        Ok(n * *base)
    }

    let omniq = queue(open());
    let worker = omniq.worker().task::<polled>().task::<called>();
    let pool = worker.state(10_u64).start().unwrap();
    let (a, b) = (
        omniq.enqueue(polled::with(4)).unwrap(),
        omniq.enqueue(called::with(4)).unwrap(),
    );
    assert_eq!(
        (a.wait(CEILING).unwrap(), b.wait(CEILING).unwrap()),
        (14, 40)
    );
    pool.stop().unwrap();
}

fn one_thread_can_stop_a_pool_while_others_join_it(open: Open) {
    let omniq = queue(open());
    let pool = omniq.worker().handler("echo", echo).start().unwrap();
    omniq.enqueue(call("echo")).unwrap().wait(CEILING).unwrap();
    let joining: Vec<_> = (0..3)
        .map(|_| {
            let pool = pool.clone();
            std::thread::spawn(move || pool.join().unwrap())
        })
        .collect();
    let listening = pool.clone();
    let listening = std::thread::spawn(move || listening.run_until_signal().unwrap());
    let again = pool.clone();
    let summary = pool.stop().unwrap();
    assert_eq!(summary.total_finished, 1);
    for thread in joining {
        assert_eq!(thread.join().unwrap(), summary);
    }
    assert_eq!(listening.join().unwrap(), summary);
    assert_eq!(again.join().unwrap(), summary);
    assert_eq!(
        again.stop().unwrap(),
        summary,
        "a second stop changes nothing"
    );
}

/// The shared threads stay until the tasks are released, although no queue needs them any more.
fn a_dropped_pool_releases_its_running_tasks(open: Open) {
    let storage = open();
    let omniq = queue(Arc::clone(&storage));
    let mut events = omniq.events();
    let pool = omniq.worker().handler("forever", forever).start().unwrap();
    let id = omniq.enqueue(call("forever")).unwrap().id();
    assert!(events.any(|event| event.kind == EventKind::Started));
    drop((pool, omniq));
    assert!(events.any(|event| event.kind == EventKind::Released));
    drop(events);
    let omniq = queue(storage);
    let worker = omniq.worker().handler("forever", echo);
    let pool = worker.start().unwrap();
    let handle: TaskHandle<()> = omniq.handle(id);
    handle.wait(CEILING).unwrap();
    pool.stop().unwrap();
}

fn many_threads_can_share_a_queue(open: Open) {
    const THREADS: usize = 8;
    let storage = open();
    let omniq = queue(Arc::clone(&storage));
    let pool = omniq.worker().handler("echo", echo).start().unwrap();
    let together = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let (omniq, storage, together) = (&omniq, &storage, &together);
            scope.spawn(move || {
                together.wait();
                // Each thread opens a queue of its own too, so that queues are opened and dropped at the same time.
                let own = queue(Arc::clone(storage));
                for (round, omniq) in [omniq, &own].into_iter().cycle().take(20).enumerate() {
                    let value = number * 100 + round;
                    let handle = omniq.enqueue(call("echo").arg(value)).unwrap();
                    assert_eq!(handle.wait(CEILING).unwrap(), value);
                }
            });
        }
    });
    assert_eq!(
        pool.stop().unwrap().total_finished,
        THREADS as u64 * 20,
        "each ran once"
    );
}

fn a_queue_may_be_dropped_last_in_a_handler_or_in_an_async_task(open: Open) {
    let (sender, drops) = channel();
    let queues: Arc<Mutex<Option<Vec<OmniQ>>>> = Arc::default();
    let (of_polled, of_blocking) = (Arc::clone(&queues), Arc::clone(&queues));
    let polled_sender = sender.clone();
    let omniq = queue(open());
    let worker = omniq.worker().with_handler(
        "polled",
        Handler::new(move |_: TaskContext, _: Args| {
            drop(of_polled.lock().unwrap().take());
            polled_sender.send("polled").unwrap();
            async { Ok::<_, TaskError>(()) }
        }),
    );
    let blocking = Handler::blocking(move |_: TaskContext, _: Args| {
        drop(of_blocking.lock().unwrap().take());
        sender.send("blocking").unwrap();
        Ok(())
    });
    let pool = worker.with_handler("blocking", blocking).start().unwrap();
    for name in ["polled", "blocking"] {
        *queues.lock().unwrap() = Some(vec![queue(open()), queue(open())]);
        omniq.enqueue(call(name)).unwrap();
        assert_eq!(drops.recv_timeout(CEILING).unwrap(), name);
    }
    // The pool and its queue are dropped on a thread that polls async tasks, while one more task is to run.
    omniq.enqueue(call("polled")).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dropped = runtime.spawn(async move { drop((pool, omniq)) });
    runtime.block_on(dropped).unwrap();
}

fn a_blocking_handler_may_wait_for_another_task(open: Open) {
    let omniq = queue(open());
    let inner = omniq.clone();
    let outer = Handler::blocking(move |_: TaskContext, _: Args| {
        let handle = inner.enqueue(call("echo").arg("inner"));
        let handle = handle.map_err(TaskError::fatal)?;
        handle.wait(CEILING).map_err(TaskError::fatal)
    });
    let worker = omniq.worker().handler("echo", echo);
    let pool = worker.with_handler("outer", outer).start().unwrap();
    let handle = omniq.enqueue(call("outer")).unwrap();
    assert_eq!(handle.wait(CEILING).unwrap(), "inner");
    pool.stop().unwrap();
}

#[test]
fn a_pool_without_handlers_and_an_unknown_url_are_refused() {
    let omniq = OmniQ::connect("memory:").unwrap();
    let error = omniq.worker().start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    let error = OmniQ::connect("no-such:").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
}

#[test]
fn a_manual_clock_works_with_a_blocking_queue() {
    let clock = omniq::testing::ManualClock::new();
    let storage = Arc::new(omniq::MemoryStorage::new());
    let omniq = clock.open_blocking(storage, Settings::default()).unwrap();
    let pool = omniq.worker().handler("echo", echo).start().unwrap();
    let day = Duration::from_secs(86_400);
    let handle = omniq.enqueue(call("echo").arg(1).delay(day)).unwrap();
    clock.advance(day);
    assert_eq!(handle.wait(CEILING).unwrap(), 1);
    pool.stop().unwrap();
}

#[test]
fn queues_pools_and_handles_can_be_sent_and_shared() {
    fn is<T: Clone + Send + Sync + 'static>() {}
    is::<OmniQ>();
    is::<omniq::WorkerPool>();
    is::<TaskHandle<std::cell::Cell<u8>>>();
}
