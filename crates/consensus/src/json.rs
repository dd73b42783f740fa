//! Python's canonical JSON.
