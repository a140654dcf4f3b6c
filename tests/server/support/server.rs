//! A server in this process, on a port of its own, with threads of its own.

use super::Host;
use actix_web::rt::System;
use futures_util::FutureExt;
use std::{net::SocketAddr, thread, time::Duration};
use tokio::sync::oneshot;
use worldcast::{
    config::Settings,
    server::{Server, Stop},
};

pub struct TestServer {
    pub addresses: Vec<SocketAddr>,
    pub stop: Stop,
    ended: oneshot::Receiver<()>,
}

impl TestServer {
    /// With the default settings, but for two workers, a free port, and no delay when it stops.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    pub async fn with(adjust: impl FnOnce(&mut Settings)) -> Self {
        let mut settings =
            Settings { listen: vec![([127, 0, 0, 1], 0).into()], workers: 2, ..Settings::default() };
        settings.admin.listen = vec![([127, 0, 0, 1], 0).into()];
        settings.shutdown.drain = Duration::ZERO;
        adjust(&mut settings);

        let (started, when_started) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        thread::spawn(move || serve(settings, started, end));
        let (addresses, stop) = when_started.await.expect("the server starts");
        Self { addresses, stop, ended }
    }

    /// Resolves when the server has stopped altogether.
    pub async fn ends(mut self) {
        super::within("the end of the server", &mut self.ended).await.expect("the server ends");
    }
}

impl Host for TestServer {
    fn address(&self) -> SocketAddr {
        self.addresses[0]
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.stop.gracefully().now_or_never(); // said once; its threads do the rest
    }
}

fn serve(settings: Settings, started: oneshot::Sender<(Vec<SocketAddr>, Stop)>, ended: oneshot::Sender<()>) {
    let system = System::new();
    system.block_on(async {
        let server = Server::start(settings).expect("the server starts");
        let _ = started.send((server.addresses().to_vec(), server.stop_handle()));
        actix_web::rt::spawn(async {
            server.run().await.expect("the server runs");
            System::current().stop(); // the hub's thread too
        });
    });
    system.run().expect("the threads end");
    let _ = ended.send(());
}
