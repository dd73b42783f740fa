//! `blocksmith mine` and `blocksmith dev` as processes.

mod dev;
mod fake;
mod program;
mod proof_of_success;
mod servers;
