use fastrand::Rng;

/// The seed of this run: new each time, or that of `OMNIQ_TEST_SEED`.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("OMNIQ_TEST_SEED").map_or_else(
        |_| fastrand::u64(..),
        |text| text.parse().expect("OMNIQ_TEST_SEED is a whole number"),
    );
    eprintln!("OMNIQ_TEST_SEED={seed}");
    seed
}

/// Random numbers of a printed seed.
pub(crate) fn rng() -> Rng {
    Rng::with_seed(seed())
}
