//! What belongs to the process and not to a single queue: its identity, its owner id, its background thread and its
//! signals.

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
