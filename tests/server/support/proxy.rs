//! A way to the server that does not last.

use actix_web::rt::spawn;
use std::{net::SocketAddr, ops::Range, time::Duration};
use tokio::{
    io::copy,
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Passes bytes on, and cuts every connection after a time of this range.
pub async fn proxy_that_cuts(server: SocketAddr, after: Range<Duration>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let after = after.start + (after.end - after.start).mul_f64(fastrand::f64());
            spawn(pass_on(client, server, after));
        }
    });
    address
}

async fn pass_on(client: TcpStream, server: SocketAddr, until: Duration) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let passed_on = async {
        tokio::select! {
            _ = copy(&mut from_client, &mut to_server) => {}
            _ = copy(&mut from_server, &mut to_client) => {}
        }
    };
    let _ = timeout(until, passed_on).await;
}
