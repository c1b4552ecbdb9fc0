//! Clocks that an `Instant` is not: one that all processes of a machine share, and one of CPU time.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds of the machine's steady clock, the same in every process.
pub fn nanos() -> u64 {
    as_nanos(clock_gettime(ClockId::Monotonic))
}

/// Nanoseconds of CPU that all threads of this process have used.
pub fn cpu_nanos() -> u64 {
    as_nanos(clock_gettime(ClockId::ProcessCPUTime))
}

fn as_nanos(time: Timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
