//! A typed task allocates no more than a call that is written by hand.
#![cfg(feature = "macros")]
#![allow(clippy::unwrap_used)]

use allocation_counter::measure;
use omniq::storage::{CoreSettings, NewTask};
use omniq::{Order, Parameter, TaskDef, call};

#[omniq::task]
async fn resize(path: String, width: u32) -> u64 {
    path.len() as u64 * u64::from(width)
}

const PARAMETERS: &[Parameter] = &[Parameter::new("path"), Parameter::new("width")];

fn allocations(mut work: impl FnMut()) -> u64 {
    // The first run sets up what is created on first use.
    work();
    measure(work).count_total
}

fn task<T>(order: Order<T>) -> NewTask {
    order.into_new_task(&CoreSettings::default()).unwrap()
}

#[test]
fn a_typed_order_allocates_as_much_as_a_call_by_hand() {
    let typed = allocations(|| drop(task(resize::with("cat.png".into(), 640))));
    let path = || "cat.png".to_owned();
    let by_hand = allocations(|| drop(task(call(resize::NAME).arg(path()).arg(640))));
    assert_eq!(typed, by_hand);
}

#[test]
fn reading_typed_arguments_allocates_only_owned_values() {
    let payload = task(resize::with("cat.png".into(), 640)).payload;
    let typed = allocations(|| {
        let (path, width): (String, u32) = payload.bind(PARAMETERS).unwrap();
        assert_eq!((path.as_str(), width), ("cat.png", 640));
    });
    assert_eq!(typed, 1, "only the path");
    let by_hand = allocations(|| {
        let args = payload.decode_args().unwrap();
        let _: (String, u32) = args.bind(&["path", "width"]).unwrap();
    });
    assert!(by_hand >= typed, "{by_hand}");
}
