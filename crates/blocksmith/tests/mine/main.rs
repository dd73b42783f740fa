//! `blocksmith mine` and `blocksmith dev` as processes.

mod dev;
mod fake;
mod program;
mod servers;
