//! Questions about the storage's own clock.

use crate::Fixture;

pub(crate) async fn the_clock_never_goes_back(fixture: Fixture) {
    for handle in [&fixture.first, &fixture.second] {
        let Some(mut latest) = handle.clock() else {
            continue;
        };
        for _ in 0..1_000 {
            let reading = handle.clock().expect("a storage that has a clock keeps it");
            assert!(reading >= latest, "{reading:?} after {latest:?}");
            latest = reading;
        }
    }
}
