//! HTTP.
/// Serves.
pub async fn serve(
    _: tokio::net::TcpListener,
    _: crate::service::Handle,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    shutdown.await;
    Ok(())
}
