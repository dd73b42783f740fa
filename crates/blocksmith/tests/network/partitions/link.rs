//! A connection between two nodes that a test can cut.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Hands on to a node what comes in at an address of its own, as long as it is not cut.
pub(crate) struct Link {
    pub(crate) address: SocketAddr,
    is_whole: watch::Sender<bool>,
    forwarding: JoinHandle<()>,
}

impl Link {
    pub(crate) async fn to(node: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_whole, state) = watch::channel(true);
        let forwarding = tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                tokio::spawn(forward(from, node, state.clone()));
            }
        });
        Self { address, is_whole, forwarding }
    }

    /// Breaks what is under way, and lets nothing through from now on.
    pub(crate) fn cut(&self) {
        self.is_whole.send_replace(false);
    }

    pub(crate) fn heal(&self) {
        self.is_whole.send_replace(true);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.forwarding.abort();
    }
}

async fn forward(mut from: TcpStream, node: SocketAddr, mut state: watch::Receiver<bool>) {
    if !*state.borrow() {
        return;
    }
    let copying = async {
        let mut to = TcpStream::connect(node).await?;
        tokio::io::copy_bidirectional(&mut from, &mut to).await
    };
    tokio::select! {
        // However it ends, both sides see the end.
        _ = copying => {}
        _ = state.wait_for(|is_whole| !is_whole) => {}
    }
}
