//! Proxies that cut connections or fall silent.

use actix_web::rt::spawn;
use std::{future::pending, net::SocketAddr, ops::Range, pin::pin, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite, copy, split},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

/// Forwards bytes, and cuts every connection after a time of this range.
pub async fn proxy_that_cuts(server: SocketAddr, after: Range<Duration>) -> SocketAddr {
    let (listener, address) = listen().await;
    spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let after = after.start + (after.end - after.start).mul_f64(fastrand::f64());
            spawn(async move {
                let _ = timeout(after, pass_on(client, server)).await;
            });
        }
    });
    address
}

/// Forwards bytes until it is told to fall silent.
pub struct QuietProxy {
    pub address: SocketAddr,
    silences: watch::Sender<u32>,
}

impl QuietProxy {
    pub async fn start(server: SocketAddr) -> Self {
        let (listener, address) = listen().await;
        let (silences, current) = watch::channel(0);
        spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut silence = current.clone();
                silence.mark_unchanged();
                spawn(async move {
                    let mut passing = pin!(pass_on(client, server));
                    tokio::select! {
                        () = &mut passing => {}
                        _ = silence.changed() => pending().await, // the sockets stay open
                    }
                });
            }
        });
        Self { address, silences }
    }

    /// Present connections stay open and forward nothing any more; later ones do.
    pub fn falls_silent(&self) {
        self.silences.send_modify(|silences| *silences += 1);
    }
}

pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

pub async fn pass_on(client: impl AsyncRead + AsyncWrite, server: SocketAddr) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = server.into_split();
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}
