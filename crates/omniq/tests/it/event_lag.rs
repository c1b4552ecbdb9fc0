//! A listener of events that does not keep up.

use omniq::{EventKind, call};

use crate::setup::*;

scenarios!(a_slow_listener_learns_how_many_events_it_missed);

async fn a_slow_listener_learns_how_many_events_it_missed(open: Open) {
    const KEPT: u64 = 1024;
    const MISSED: u64 = 76;
    let omniq = omniq(open).await;
    let mut events = omniq.events();
    let orders = (0..KEPT + MISSED).map(|_| call("f"));
    let handles = omniq.enqueue_many(orders).await.unwrap();
    let first = events.next().await.unwrap();
    assert_eq!(
        (first.missed, first.id),
        (MISSED, handles[MISSED as usize].id())
    );
    assert_eq!(first.kind, EventKind::Enqueued);
    assert_eq!(events.next().await.unwrap().missed, 0, "it is said once");
}
