//! What the tests of a program that uses OmniQ need.
//!
//! | to | use |
//! | --- | --- |
//! | let days pass in a moment, or set the clock | [`ManualClock`] |

mod manual_clock;

pub use manual_clock::ManualClock;
