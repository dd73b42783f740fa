//! A client's stream with bounds on how long the client may keep the node waiting.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::line::{Doing, Line};

/// How long the head of a request may take to arrive.
const HEAD_TIME: Duration = Duration::from_secs(15);

/// How long a connection may be idle, as clients are told: longer than people think before they
/// type the next call. Where connections run out, those that have been idle for longest give way
/// earlier.
pub(super) const IDLE_TIME: Duration = Duration::from_secs(300);

/// How much longer a connection really may be idle, so that what a client sends in the last moment
/// still arrives.
const IDLE_GRACE: Duration = Duration::from_secs(5);

/// How long a client may take to read [`MIN_READ_BYTES`] of its answer.
const READING_TIME: Duration = Duration::from_secs(20);

/// See [`READING_TIME`].
const MIN_READ_BYTES: usize = 64 << 10;

/// A stream that gives up on a client which sends nothing, or does not read its answer.
pub(super) struct Patient {
    stream: TcpStream,
    line: Arc<Line>,
    /// Runs while the node waits for the next request.
    arrival: Option<Pin<Box<Sleep>>>,
    /// Runs while bytes wait to be read by the client.
    deadline: Option<Pin<Box<Sleep>>>,
    /// How much the client read since the deadline was set.
    read: usize,
}

impl Patient {
    pub(super) fn new(stream: TcpStream, line: Arc<Line>) -> Self {
        Self { stream, line, arrival: None, deadline: None, read: 0 }
    }

    /// Takes the outcome of a write, or fails if it took too long.
    fn check(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            self.read += *written.as_ref().unwrap_or(&0);
            if self.read >= MIN_READ_BYTES {
                self.rest();
                if self.line.doing().0 == Doing::Reading {
                    self.line.set(Doing::Reading);
                }
            }
            return Poll::Ready(written);
        }
        let deadline = self.deadline.get_or_insert_with(|| {
            Box::pin(tokio::time::sleep_until(Instant::now() + READING_TIME))
        });
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn rest(&mut self) {
        self.deadline = None;
        self.read = 0;
    }

    /// Whether the last answer was made to its end, so that what comes belongs to the next request.
    fn between_calls(&self) -> bool {
        self.line.answered.load(Ordering::Relaxed)
    }

    /// Counts an answer that was made and sent to its end as read: the node can't know more.
    fn settle(&self) {
        if self.deadline.is_none() && self.line.doing().0 == Doing::Reading {
            self.line.set(Doing::Idle);
        }
    }

    /// Waits until `deadline`.
    fn poll_arrival(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep =
            self.arrival.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        // Calls that follow each other quickly put the deadline off and leave the timer as it is.
        if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if !self.between_calls() {
            return read;
        }
        if read.is_ready() {
            if buffer.filled().len() > before && self.line.doing().0 != Doing::Head {
                self.line.set(Doing::Head);
            }
            return read;
        }
        self.settle();
        let (doing, since) = self.line.doing();
        let since = Instant::from_std(since);
        match doing {
            Doing::Idle => {
                ready!(self.poll_arrival(cx, since + IDLE_TIME + IDLE_GRACE));
                // As if the client had ended the stream: the node owes it nothing.
                Poll::Ready(Ok(()))
            }
            Doing::Head => {
                ready!(self.poll_arrival(cx, since + HEAD_TIME));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            _ => Poll::Pending,
        }
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.check(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.check(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper calls this when everything is written.
        self.rest();
        if self.between_calls() {
            self.settle();
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
