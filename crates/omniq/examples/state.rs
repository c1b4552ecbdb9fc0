//! Values that handlers share: the pool passes a parameter of type `State<T>`, which is never stored in the queue.
//!
//! ```text
//! cargo run --example state
//! ```
#![allow(clippy::print_stdout)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use omniq::{AsyncOmniQ, ResultExt as _, State, TaskError};

/// Stands for something like a connection pool: created once, and used by every task.
struct Stock(Mutex<HashMap<String, u32>>);

impl Stock {
    fn take(&self, item: &str) -> Result<u32, String> {
        let mut items = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pieces = items.get_mut(item).filter(|pieces| **pieces > 0);
        let pieces = pieces.ok_or(format!("there is no {item} left"))?;
        *pieces -= 1;
        Ok(*pieces)
    }
}

/// A setting can be a state too.
#[derive(Clone)]
struct Shop(&'static str);

#[omniq::task]
async fn sell(
    State(shop): State<Shop>,
    State(stock): State<Arc<Stock>>,
    item: String,
) -> Result<String, TaskError> {
    let left = stock.take(&item).fatal()?;
    Ok(format!("{} sold one {item}, {left} left", shop.0))
}

#[tokio::main]
async fn main() -> omniq::Result<()> {
    let omniq = AsyncOmniQ::connect("memory:").await?;
    let worker = || omniq.worker().task::<sell>().state(Shop("The Corner"));

    // A missing state is reported before any task runs.
    if let Err(error) = worker().start().await {
        println!("{error}");
        assert!(error.to_string().contains("needs a state of type"));
    }

    // The program keeps an `Arc` of a state that it uses itself.
    let stock = Arc::new(Stock(Mutex::new(HashMap::from([("teapot".into(), 2)]))));
    let pool = worker().state(Arc::clone(&stock)).start().await?;
    for sold in [true, true, false] {
        let handle = omniq.enqueue(sell::with("teapot".into())).await?;
        let outcome = handle.wait(Duration::from_secs(10)).await;
        assert_eq!(outcome.is_ok(), sold);
        match outcome {
            Ok(text) => println!("{text}"),
            Err(error) => println!("{error}"),
        }
    }
    assert!(
        stock.take("teapot").is_err(),
        "the program and the handlers share the stock"
    );
    pool.stop().await?;
    Ok(())
}
