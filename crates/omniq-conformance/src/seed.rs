//! The seed of random questions.

use fastrand::Rng;

/// Returns and prints the seed of this run: that of `OMNIQ_TEST_SEED`, or a random one.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("OMNIQ_TEST_SEED").map_or_else(
        |_| fastrand::u64(..),
        |text| text.parse().expect("OMNIQ_TEST_SEED is a whole number"),
    );
    eprintln!("OMNIQ_TEST_SEED={seed}");
    seed
}

/// Returns a random number generator with a printed seed.
pub(crate) fn rng() -> Rng {
    Rng::with_seed(seed())
}
