//! A crate that defines every name that generated code might use, with another meaning.
#![allow(dead_code, unused_macros, non_camel_case_types, clippy::all)]

struct Result;
struct Option;
struct Some;
struct None;
struct Ok;
struct Err;
struct Vec;
struct String;
struct Box;
struct Default;
struct Send;
struct Order;
struct Handler;
struct Parameter;
struct TaskDef;
struct str;
struct u8;
struct usize;

mod std {}
mod core {}
mod serde {}

macro_rules! format {
    ($($all:tt)*) => {
        compile_error!("not ours")
    };
}
macro_rules! concat {
    ($($all:tt)*) => {
        compile_error!("not ours")
    };
}
macro_rules! module_path {
    ($($all:tt)*) => {
        compile_error!("not ours")
    };
}

const PARAMETERS: u32 = 7;
const PATH: u32 = 8;

#[::omniq::task(unique_key = "{ctx}-{order}-{self_}-{value}-{argument_0}")]
async fn with(ctx: u32, order: u32, self_: u32, value: u32, argument_0: u32) -> u32 {
    ctx + order + self_ + value + argument_0
}

#[::omniq::task]
fn handler(#[omniq(default = PARAMETERS)] handler: u32, #[omniq(default = PATH)] with: u32) -> u32 {
    handler + with
}

#[::omniq::task(unique_key = "{type}")]
fn r#match(r#type: u32) -> u32 {
    r#type
}

mod without_a_prelude {
    #![no_implicit_prelude]

    #[::omniq::task(unique_key = "{with}", timeout = "1s", backoff = "1s..2s")]
    pub(super) async fn bare(
        ctx: ::omniq::TaskContext,
        cache: ::omniq::State<::std::string::String>,
        #[omniq(default)] with: u32,
        #[omniq(default = 3)] bare: u32,
    ) -> ::core::result::Result<u32, ::omniq::TaskError> {
        let _ = (ctx.id(), cache.len());
        ::core::result::Result::Ok(with + bare)
    }
}

fn main() {
    let _ = without_a_prelude::bare::with(1, 2);
    let _ = with::with(1, 2, 3, 4, 5);
    let _ = handler::with(1, 2);
    let _ = r#match::with(1);
    let _ = (handler(1, 2), r#match(1));
    let _ = <with as ::omniq::TaskDef>::handler();
    assert!(<r#match as ::omniq::TaskDef>::NAME == "match");
}
