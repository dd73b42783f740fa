//! What a payment says, for people and for programs.

use blocksmith_consensus::address::Hrp;
use blocksmith_consensus::payment::Payment;
use serde::Serialize;

use crate::amount::Coins;

/// What a payment says; amounts are in units.
#[derive(Debug, Serialize)]
pub(super) struct PaymentInfo {
    pub(super) id: String,
    pub(super) sender: String,
    pub(super) recipient: String,
    pub(super) amount: u64,
    pub(super) fee: u64,
    pub(super) nonce: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memo: Option<String>,
}

impl PaymentInfo {
    pub(super) fn of(payment: &Payment, hrp: Hrp) -> Self {
        Self {
            id: payment.id().to_string(),
            sender: payment.sender().to_text(hrp),
            recipient: payment.recipient().to_text(hrp),
            amount: payment.amount(),
            fee: payment.fee(),
            nonce: payment.nonce(),
            memo: payment.memo().map(|memo| memo.into_owned()),
        }
    }

    pub(super) fn lines(&self) -> String {
        let Self { id, sender, recipient, amount, fee, nonce, memo } = self;
        let (amount, fee) = (Coins::from_units(*amount), Coins::from_units(*fee));
        let mut lines = format!(
            "id         {id}\nsender     {sender}\nrecipient  {recipient}\namount     {amount}\n\
             fee        {fee}\nnonce      {nonce}"
        );
        if let Some(memo) = memo {
            // Quoted, since another party's text may hold control sequences for the terminal.
            lines.push_str(&format!("\nmemo       {memo:?}"));
        }
        lines
    }
}
