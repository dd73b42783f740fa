//! The node over real sockets: every call, every status, and what nobody should send.

mod api;
mod bounds;
mod branches;
mod browsers;
mod crowds;
mod dev;
mod events;
mod figures;
mod floods;
mod forge;
mod lecture;
mod messages;
mod node;
mod page;
mod searching;
mod snapshots;
mod streaming;
mod tables;
mod waiting;
