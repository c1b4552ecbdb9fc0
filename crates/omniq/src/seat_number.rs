//! Small numbers for the running tasks of this process: no two of them have the same number at the same time.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A number in use. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct SeatNumber(usize);

struct Numbers {
    /// How many numbers were ever in use: all below this.
    issued: usize,
    free: BTreeSet<usize>,
}

fn numbers() -> MutexGuard<'static, Numbers> {
    static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers {
        issued: 0,
        free: BTreeSet::new(),
    });
    NUMBERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SeatNumber {
    /// Takes the smallest free number.
    pub(crate) fn take() -> Self {
        let mut numbers = numbers();
        let free = numbers.free.pop_first();
        Self(free.unwrap_or_else(|| {
            numbers.issued += 1;
            numbers.issued - 1
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
    fn numbers_in_use_differ_and_the_smallest_free_one_comes_first() {
        let (a, b) = (SeatNumber::take(), SeatNumber::take());
        assert_ne!(a.get(), b.get());
        let freed = a.get();
        drop(a);
        assert!(SeatNumber::take().get() <= freed);
    }
}
