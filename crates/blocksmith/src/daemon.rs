//! The composition root: starts a node with its HTTP server and its peers, and ends them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use blocksmith_node::{MAX_PEERS, PeerAddress, Registered};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::exit;
use crate::http::{self, Manners};
use crate::operator::Token;
use crate::service::{Handle, Options};
use crate::{peers, service};

/// A node that serves calls, with its tasks.
pub struct Running {
    /// The node.
    pub handle: Handle,
    /// The address at which it listens.
    pub address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Waits until everything that the node runs has ended, which it does once `stop` turns true.
    pub async fn ended(self) {
        for task in self.tasks {
            // A task that panicked is in the log already.
            let _ = task.await;
        }
    }
}

/// Starts a node on `listener`, whose addresses are its own, and registers `peers`. The operator's
/// token is in `token_file`, which is made if it doesn't exist; without a file there is no token.
/// The node ends when `stop` turns true.
///
/// # Errors
/// Fails if the store can't be opened, or the node stops at once.
pub async fn start(
    mut options: Options,
    token_file: Option<&Path>,
    listener: TcpListener,
    peers: Vec<PeerAddress>,
    manners: Manners,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<Running> {
    let address = listener.local_addr()?;
    options.own_addresses.extend(own_addresses(address));
    let listen = options.own_addresses.first().cloned();
    let data_dir = options.data_dir.clone();
    let (handle, orders) = service::start(options)?;
    if let (Some(dir), Some(own)) = (data_dir, &listen) {
        // A hint alone: without it, commands say that the directory is in use, and not by which node.
        let _ = service::tell_url(&dir, &format!("http://{own}"));
    }
    // The token file may be in the data directory, which exists by now.
    let token = token_file.map(Token::keep).transpose()?;
    if !peers.is_empty() {
        let each = handle.choose(peers.clone(), false).await?.each;
        for (peer, registered) in peers.iter().zip(each) {
            match registered {
                Registered::New | Registered::Known => {}
                Registered::Itself => {
                    tracing::warn!("{peer} is this node itself, and a node is not its own peer");
                }
                Registered::NoRoom => {
                    tracing::warn!(
                        "there is no room for {peer}: a node keeps at most {MAX_PEERS} peers; \
                         `blocksmith peers forget` removes one"
                    );
                }
            }
        }
    }
    let seat = manners.seat.clone();
    let serving = {
        let (handle, stop) = (handle.clone(), stop.clone());
        tokio::spawn(async move {
            let ends = ends(handle.clone(), stop);
            if let Err(error) = http::serve(listener, handle, manners, token, ends).await {
                tracing::error!("the server stopped: {error}");
            }
        })
    };
    let talking = {
        let handle = handle.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = peers::run(handle.clone(), orders, listen, seat) => {}
                () = ends(handle, stop) => {}
            }
        })
    };
    Ok(Running { handle, address, tasks: vec![serving, talking] })
}

/// Waits until `stop` turns true, or its sender is gone.
pub async fn until(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits until `stop` turns true, or the node had to stop by itself.
async fn ends(handle: Handle, stop: watch::Receiver<bool>) {
    tokio::select! {
        () = until(stop) => {}
        _ = handle.stopped() => {}
    }
}

/// The address at which this machine reaches a listener.
pub fn here(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// The addresses at which this machine reaches the listener. What others call it is learned when
/// they call it back.
fn own_addresses(address: SocketAddr) -> Vec<PeerAddress> {
    here(address).to_string().parse().into_iter().collect()
}

/// Returns a channel that turns true at the first SIGINT or SIGTERM; the second one ends the
/// process at once.
pub fn stop_on_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let (stop, stopped) = watch::channel(false);
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::spawn(async move {
            for turn in 0..2 {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if turn == 0 {
                    stop.send_replace(true);
                }
            }
            std::process::exit(exit::INTERRUPTED.into());
        });
    }
    #[cfg(not(unix))]
    tokio::spawn(async move {
        for turn in 0..2 {
            if tokio::signal::ctrl_c().await.is_ok() && turn == 0 {
                stop.send_replace(true);
            }
        }
        std::process::exit(exit::INTERRUPTED.into());
    });
    Ok(stopped)
}
