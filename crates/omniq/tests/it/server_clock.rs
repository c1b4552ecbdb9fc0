//! A storage that has a clock of its own, as a server does.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use omniq::storage::Storage;
use omniq::{TaskStatus, Timestamp, call};

use crate::proxy_storage::Proxy;
use crate::setup::*;

scenarios!(tasks_are_due_by_the_storage_s_clock);

async fn tasks_are_due_by_the_storage_s_clock(open: Open) {
    let hour = Duration::from_secs(3600);
    let ahead = SystemTime::now() + hour;
    let storage = Proxy::new(open());
    storage.set_clock(Timestamp::from(ahead));
    let omniq = with(Arc::clone(&storage) as Arc<dyn Storage>, quick()).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    // By this machine's clock it is due in half an hour; by the storage's it was due half an hour ago.
    let order = call("echo").arg(1).eta(ahead - hour / 2);
    let due = omniq.enqueue(order).await.unwrap();
    assert_eq!(due.wait(CEILING).await.unwrap(), 1);
    let task = omniq.get_task(due.id()).await.unwrap().unwrap();
    assert_eq!(task.enqueued_at, Timestamp::from(ahead));
    assert_eq!(task.finished_at, Some(Timestamp::from(ahead)));
    // By this machine's clock it was due long ago; by the storage's it is not yet due.
    let later = omniq.enqueue(call("echo").delay(hour)).await.unwrap();
    let status = later.status().await.unwrap();
    assert_eq!(status, TaskStatus::Pending);
    pool.stop().await.unwrap();
}
