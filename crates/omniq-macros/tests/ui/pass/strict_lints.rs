//! A crate that denies as many lints as possible.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    unused_results
)]
#![deny(
    rust_2018_idioms,
    nonstandard_style,
    future_incompatible,
    missing_debug_implementations
)]
#![allow(clippy::too_many_arguments)]

use omniq::{State, TaskContext, TaskError};

/// A state.
#[derive(Clone, Debug)]
pub struct Database;

/// Tasks that others can see.
pub mod images {
    use super::*;

    /// Resizes.
    #[omniq::task(
        max_attempts = 5,
        timeout = "30s",
        queue = "images",
        unique_key = "{path}"
    )]
    pub async fn resize(
        path: String,
        #[omniq(default = 640)] width: u32,
    ) -> Result<u64, TaskError> {
        Ok(path.len() as u64 * u64::from(width))
    }

    /// Takes values that the pool provides.
    #[omniq::task(order = Store)]
    pub fn store(ctx: TaskContext, _database: State<Database>, mut text: String) -> String {
        text.push_str(ctx.name());
        text
    }
}

mod inner {
    #[omniq::task]
    pub(super) async fn visible_in_the_parent_module() {}

    #[omniq::task]
    pub(crate) fn many(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u8 {
        a + b + c + d + e + f + g + h
    }
}

/// A deprecated task.
#[omniq::task]
#[deprecated]
#[allow(dead_code)]
fn forgotten(_unused: u8) {}

#[omniq::task]
#[allow(non_snake_case, non_camel_case_types)]
fn Loud(Name: String) -> String {
    Name
}

fn main() {
    drop(images::resize::with("cat.png".into(), 640));
    drop(images::Store::with("cat.png".into()));
    drop(inner::visible_in_the_parent_module::with());
    drop(inner::many::with(1, 2, 3, 4, 5, 6, 7, 8));
    drop(Loud::with("cat".into()));
    drop(Loud("cat".into()));
}
