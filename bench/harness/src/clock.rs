//! Two clocks that `Instant` does not offer: a monotonic clock that all processes of a machine share, and the CPU time.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Returns the nanoseconds of the machine's monotonic clock, which is the same in every process.
pub fn nanos() -> u64 {
    as_nanos(clock_gettime(ClockId::Monotonic))
}

/// Returns the CPU time that all threads of this process have used, in nanoseconds.
pub fn cpu_nanos() -> u64 {
    as_nanos(clock_gettime(ClockId::ProcessCPUTime))
}

fn as_nanos(time: Timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
