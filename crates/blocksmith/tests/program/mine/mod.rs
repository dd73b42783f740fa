//! `blocksmith mine` and `blocksmith dev` as processes.

mod dev;
mod proof_of_success;
mod servers;
