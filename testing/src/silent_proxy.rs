//! A proxy in front of a server, whose answers on one connection can be kept back.

use std::{net::SocketAddr, thread};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    spawn,
    sync::watch,
};

/// A proxy on a thread of its own, to the end of the test.
pub struct SilentProxy {
    address: SocketAddr,
    silent: watch::Sender<Option<usize>>,
}

impl SilentProxy {
    /// Starts a proxy in front of `server`.
    pub fn start(server: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("it is bound");
        let (silent, is_silent) = watch::channel(None);
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, server, is_silent));
        });
        Self { address, silent }
    }

    /// `redis://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Keeps back what the server sends on the connection with this number, counted from 0, and no
    /// longer on any other.
    pub fn silences(&self, number: usize) {
        self.silent.send_replace(Some(number));
    }
}

async fn serve(
    listener: std::net::TcpListener,
    server: SocketAddr,
    is_silent: watch::Receiver<Option<usize>>,
) {
    let listener = TcpListener::from_std(listener).expect("a socket");
    for number in 0.. {
        let Ok((client, _)) = listener.accept().await else { return };
        let Ok(server) = TcpStream::connect(server).await else { continue };
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let mut is_silent = is_silent.clone();
        spawn(async move {
            let _ = copy(&mut from_client, &mut to_server).await;
        });
        spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                let speaks = is_silent.wait_for(|silent| *silent != Some(number)).await.is_ok();
                if !speaks || to_client.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
        });
    }
}
