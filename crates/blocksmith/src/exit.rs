//! Exit codes, by which scripts tell outcomes apart.

/// Something failed, or this machine lacks what it takes.
pub const FAILURE: u8 = 1;
/// The command line was not understood.
pub const USAGE: u8 = 2;
/// No node answers at that address.
pub const UNREACHABLE: u8 = 3;
/// The node refused.
pub const REJECTED: u8 = 4;
/// Another node uses the data directory.
pub const IN_USE: u8 = 5;
/// A signal stopped the command before it was done; the code is that of shells.
pub const INTERRUPTED: u8 = 130;
