//! Signed payments: `/api/v1/transactions`, and the course's call for them.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use blocksmith_consensus::Hash;
use blocksmith_consensus::json::Reader;
use blocksmith_node::Entered;
use blocksmith_node::mempool::Refused;

use super::App;
use super::answer::{Object, array, quoted};
use super::api::listens;
use super::body::Wire;
use super::fault::Fault;
use crate::service::{Handle, NotPaid};

/// The most payments that are taken at a time.
pub(crate) const MAX_PAYMENTS: usize = 1_000;

/// Takes a payment in, or a list of payments as peers send them.
pub(super) async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    body: Wire,
) -> Result<Response, Fault> {
    let Some(payments) = elements(body.bytes())? else {
        let (status, answer) = outcome(pay(&app.handle, body.bytes().to_vec()).await?)?;
        return Ok(answer.answer(status));
    };
    if payments.len() > MAX_PAYMENTS {
        return Err(Fault::bad(format!("at most {MAX_PAYMENTS} payments are taken at a time")));
    }
    let paid = app.handle.pay(payments, listens(&headers)).await?;
    let answers = paid.into_iter().map(|paid| match outcome(paid) {
        Ok((_, answer)) => answer.end(),
        Err(fault) => Object::new().text("refused", &fault.to_string()).end(),
    });
    Ok(Object::new().json("payments", array(answers)).answer(StatusCode::OK))
}

/// The elements of a list, which only nodes send, in canonical form; `None` if the body is something
/// else.
fn elements(body: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Fault> {
    if body.trim_ascii_start().first() != Some(&b'[') {
        return Ok(None);
    }
    let mut payments = Vec::new();
    let mut reader = Reader::new(body);
    let mut more = reader.open_array()?;
    while more {
        let Cow::Borrowed(text) = reader.value()? else {
            return Err(Fault::bad("payments in a list are canonical JSON"));
        };
        payments.push(text.as_bytes().to_vec());
        more = reader.next_element()?;
    }
    reader.end()?;
    Ok(Some(payments))
}

/// One payment: what became of it.
pub(super) async fn pay(
    handle: &Handle,
    wire: Vec<u8>,
) -> Result<Result<(Hash, Entered), NotPaid>, Fault> {
    let mut paid = handle.pay(vec![wire], None).await?;
    Ok(paid.pop().expect("one answer for one payment"))
}

/// How it is put. What waits already is as good as taken: its sender may not have had the answer.
fn outcome(paid: Result<(Hash, Entered), NotPaid>) -> Result<(StatusCode, Object), Fault> {
    let answer =
        |id: Hash, status| Object::new().json("id", quoted(&id.to_string())).text("status", status);
    match paid {
        Ok((id, Entered::Waits)) => Ok((StatusCode::CREATED, answer(id, "queued"))),
        Ok((id, Entered::Held { missing })) => {
            Ok((StatusCode::CREATED, answer(id, "held").json("missing", missing)))
        }
        Err(NotPaid::Refused(Refused::Known { id })) => Ok((StatusCode::OK, answer(id, "queued"))),
        Err(not_paid) => Err(not_paid.into()),
    }
}
