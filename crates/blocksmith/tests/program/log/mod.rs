//! What the program says to whoever runs it, as a process.

mod escaped;
mod events;
mod flood;
mod senders;
mod spelling;
