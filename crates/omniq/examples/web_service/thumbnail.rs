//! The task, which both processes share: the service enqueues it, and the worker runs it.

use std::thread;
use std::time::Duration;

use omniq::{TaskContext, TaskError};
use serde::{Deserialize, Serialize};

/// The result of the task.
#[derive(Debug, Serialize, Deserialize)]
pub struct Thumbnail {
    pub width: u32,
    pub svg: String,
}

const ROWS: u32 = 16;

/// Stands for real work on a picture, which takes 2 s, row by row. It runs on a thread of its own, which it may block. If
/// the process is killed, the task runs again from the beginning.
#[omniq::task(name = "thumbnail", queue = "thumbnails", timeout = "30s")]
pub fn thumbnail(ctx: TaskContext, picture: String, width: u32) -> Result<Thumbnail, TaskError> {
    if !(16..=512).contains(&width) {
        return Err(TaskError::fatal(format!(
            "the width {width} is not between 16 and 512"
        )));
    }
    println!("{} {picture}: attempt {}", ctx.id(), ctx.attempt());
    let mut squares = String::new();
    for row in 0..ROWS {
        if ctx.is_cancelled() {
            println!("{} {picture}: asked to stop at row {row}", ctx.id());
            return Err(TaskError::fatal("asked to stop"));
        }
        thread::sleep(Duration::from_millis(125));
        squares.push_str(&draw(&picture, row));
        println!("{} {picture}: row {} of {ROWS}", ctx.id(), row + 1);
        ctx.progress(
            f64::from(row + 1) / f64::from(ROWS),
            &format!("row {} of {ROWS}", row + 1),
        );
    }
    println!("{} {picture}: done", ctx.id());
    let svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" viewBox="0 0 {ROWS} {ROWS}">{squares}</svg>"#
    );
    Ok(Thumbnail { width, svg })
}

/// Draws one row of coloured squares, which depend only on the picture's name.
fn draw(picture: &str, row: u32) -> String {
    let seed = picture.bytes().fold(row + 1, |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(byte.into())
    });
    let square = |column: u32| {
        let hue = seed.wrapping_mul(column + 7) % 360;
        format!(r#"<path fill="hsl({hue} 60% 55%)" d="M{column} {row}h1v1h-1z"/>"#)
    };
    (0..ROWS).map(square).collect()
}
