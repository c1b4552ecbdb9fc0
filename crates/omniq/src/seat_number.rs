//! Small numbers for running tasks, each given to one at a time in this process.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A number; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct SeatNumber(usize);

struct Numbers {
    given: usize,
    free: BTreeSet<usize>,
}

fn numbers() -> MutexGuard<'static, Numbers> {
    static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers {
        given: 0,
        free: BTreeSet::new(),
    });
    NUMBERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SeatNumber {
    /// The smallest that is free.
    pub(crate) fn take() -> Self {
        let mut numbers = numbers();
        let free = numbers.free.pop_first();
        Self(free.unwrap_or_else(|| {
            numbers.given += 1;
            numbers.given - 1
        }))
    }

    pub(crate) fn get(&self) -> usize {
        self.0
    }
}

impl Drop for SeatNumber {
    fn drop(&mut self) {
        numbers().free.insert(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_have_the_same_and_small_ones_come_first() {
        let (a, b) = (SeatNumber::take(), SeatNumber::take());
        assert_ne!(a.get(), b.get());
        let freed = a.get();
        drop(a);
        assert!(SeatNumber::take().get() <= freed);
    }
}
