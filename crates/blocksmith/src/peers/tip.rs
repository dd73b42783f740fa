//! A tip on its way to peers.

use std::sync::OnceLock;

use blocksmith_consensus::Block;
use bytes::Bytes;

/// What comes before a block's text in the body for a Python node.
const BODY_START: &str = r#"{"block": "#;

/// A tip on its way to peers, which share its texts.
#[derive(Debug)]
pub(super) struct Tip {
    pub(super) block: Block,
    body: OnceLock<Bytes>,
}

impl Tip {
    pub(super) fn new(block: Block) -> Self {
        Self { block, body: OnceLock::new() }
    }

    pub(super) fn for_python(&self) -> Bytes {
        let write = || Bytes::from(format!("{BODY_START}{}}}", self.block.text()));
        self.body.get_or_init(write).clone()
    }

    pub(super) fn for_our_kind(&self) -> Bytes {
        let body = self.for_python();
        body.slice(BODY_START.len()..body.len() - 1)
    }
}
