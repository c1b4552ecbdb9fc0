//! What belongs to this process and not to a single queue: who it is, its background thread, its signals.

mod background;
mod fork_guard;
mod identity;
mod owner;
mod signals;

pub(crate) use background::Background;
pub(crate) use fork_guard::ForkGuard;
pub(crate) use identity::Process;
pub(crate) use owner::this_process;
pub(crate) use signals::Signals;
