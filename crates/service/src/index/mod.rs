//! Who holds what on an open chain, and who mined how much on any chain: an index that follows the
//! chain with a cursor of its own, in a file of its own, so that no commit of a block waits for it.

mod book;
mod follower;
mod reading;

pub(crate) use book::{Book, Counts, FILE, ID_DIGITS};
pub use book::{Indexed, PartyState, Roles};
pub(crate) use follower::Follower;
pub(crate) use reading::{Listed, MinerState, Moment, Reading};

#[cfg(test)]
mod damaged;
#[cfg(test)]
mod model;
