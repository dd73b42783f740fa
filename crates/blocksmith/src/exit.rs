//! Exit codes: what a script can tell apart.

/// Something failed, or this machine lacks what it takes.
pub const FAILURE: u8 = 1;
/// The command was not understood.
pub const USAGE: u8 = 2;
/// Nobody answers at that address.
pub const UNREACHABLE: u8 = 3;
/// The node said no.
pub const REJECTED: u8 = 4;
/// Another node uses the data directory.
pub const IN_USE: u8 = 5;
/// Stopped by a signal before it was done, as shells have it.
pub const INTERRUPTED: u8 = 130;
