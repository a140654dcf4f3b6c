//! A server in this process, on a port of its own, with threads of its own.

use super::{Host, Raw};
use actix_web::rt::System;
use futures_util::FutureExt;
use std::{net::SocketAddr, sync::Arc, thread, time::Duration};
use tokio::sync::oneshot;
use worldcast::{
    config::Settings,
    policy::Policy,
    server::{Server, Stop},
    shared::Shared,
};

pub struct TestServer {
    pub addresses: Vec<SocketAddr>,
    pub stop: Stop,
    admin: SocketAddr,
    shared: Arc<Shared>,
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
        let Started { addresses, admin, stop, shared } = when_started.await.expect("the server starts");
        Self { addresses, stop, admin, shared, ended }
    }

    /// Replaces the policy by that of the default settings, adjusted.
    pub fn replace_policy(&self, adjust: impl FnOnce(&mut Settings)) {
        let mut settings = Settings::default();
        adjust(&mut settings);
        self.shared.policy.store(Arc::new(Policy::new(&settings)));
    }

    /// Waits until `worldcast_{metric}` is at least `least`.
    pub async fn counts_at_least(&self, metric: &str, least: u64) {
        let counted = async { while self.count(metric).await < least {} };
        super::within(format!("{metric} to be {least}"), counted).await;
    }

    /// The value of `worldcast_{metric}`; 0 for what has never been counted.
    pub async fn count(&self, metric: &str) -> u64 {
        let sample = format!("worldcast_{metric} ");
        let metrics = self.metrics().await;
        let value = metrics.lines().find_map(|line| line.strip_prefix(&sample));
        value.map_or(0, |value| value.parse().expect("a number"))
    }

    /// The answer of `/metrics` to a browser, with its head.
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

/// The handles of a server, for other threads.
struct Started {
    addresses: Vec<SocketAddr>,
    admin: SocketAddr,
    stop: Stop,
    shared: Arc<Shared>,
}

fn serve(settings: Settings, started: oneshot::Sender<Started>, ended: oneshot::Sender<()>) {
    let system = System::new();
    system.block_on(async {
        let server = Server::start(&settings).expect("the server starts");
        let admin = server.admin_addresses()[0];
        let addresses = server.addresses().to_vec();
        let _ =
            started.send(Started { addresses, admin, stop: server.stop_handle(), shared: server.shared() });
        actix_web::rt::spawn(async {
            server.run().await;
            System::current().stop(); // the hub's thread too
        });
    });
    system.run().expect("the threads end");
    let _ = ended.send(());
}
