//! Peers.
/// Talks.
pub async fn run(
    _: crate::service::Handle,
    mut orders: tokio::sync::mpsc::UnboundedReceiver<crate::service::Order>,
    _: Option<blocksmith_node::Address>,
) {
    while orders.recv().await.is_some() {}
}
