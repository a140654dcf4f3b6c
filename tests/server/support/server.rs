//! A server in this process, on a port of its own, with threads of its own.

use super::{Host, Raw};
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
    admin: SocketAddr,
    ended: oneshot::Receiver<()>,
}

impl TestServer {
    /// Starts with the default settings, except two workers, a free port, and no drain.
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
        let (addresses, admin, stop) = when_started.await.expect("the server starts");
        Self { addresses, stop, admin, ended }
    }

    /// Waits until `worldcast_{metric}` is at least `least`.
    pub async fn counts_at_least(&self, metric: &str, least: u64) {
        let sample = format!("worldcast_{metric} ");
        let counted = async {
            loop {
                let metrics = self.metrics().await;
                let value = metrics.lines().find_map(|line| line.strip_prefix(&sample));
                if value.is_some_and(|value| value.parse::<u64>().expect("a number") >= least) {
                    return;
                }
            }
        };
        super::within(format!("{metric} to be {least}"), counted).await;
    }

    /// The response of `/metrics` to a browser, with its head.
    pub async fn metrics(&self) -> String {
        let mut raw = Raw::connect(self.admin).await;
        raw.sends("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        String::from_utf8(raw.reads_to_the_end().await).expect("text")
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
        let _ = self.stop.gracefully().now_or_never(); // its threads do the rest
    }
}

fn serve(
    settings: Settings,
    started: oneshot::Sender<(Vec<SocketAddr>, SocketAddr, Stop)>,
    ended: oneshot::Sender<()>,
) {
    let system = System::new();
    system.block_on(async {
        let server = Server::start(settings).expect("the server starts");
        let admin = server.admin_addresses()[0];
        let _ = started.send((server.addresses().to_vec(), admin, server.stop_handle()));
        actix_web::rt::spawn(async {
            server.run().await;
            System::current().stop(); // the hub's thread too
        });
    });
    system.run().expect("the threads end");
    let _ = ended.send(());
}
