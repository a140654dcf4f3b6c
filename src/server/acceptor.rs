//! Who accepts on a listener, for all worker threads.
//!
//! It lives on one of them: a thread of its own would be woken for nearly every client, and its processor with it.

use super::{
    connection::ConnectionFactory,
    listener::{has_waiting, refuse_new},
    worker::{Worker, WorkerHandle},
};
use crate::{exit::PanicGuard, logging::REPEATING, shared::Shared};
use actix::prelude::*;
use log::error;
use rustix::io::Errno;
use std::{
    convert::Infallible,
    io::{self, ErrorKind},
    net::{self, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};

/// How long those have who were answered by the kernel, but whose own answer is still on its way, when a listener closes.
const LAST_HANDSHAKES_WITHIN: Duration = Duration::from_millis(200);

/// How long nobody is accepted where it is impossible.
const PAUSE: Duration = Duration::from_millis(100);

pub struct Acceptor {
    /// Which of the configuration's listeners it is.
    pub listener: usize,
    pub address: SocketAddr,
    pub threads: Arc<[WorkerHandle]>,
    /// Which of them it lives on.
    pub home: usize,
    pub shared: Arc<Shared>,
}

/// Server → worker: accept here, for all threads.
#[derive(Message)]
#[rtype(result = "()")]
struct Accept {
    acceptor: Acceptor,
    socket: net::TcpListener,
    until: CancellationToken,
    /// Kept as long as it is listened to.
    open: TaskTrackerToken,
}

impl WorkerHandle {
    /// Lets `acceptor` live here, and keep `open`, until `until`.
    pub fn accept(
        &self,
        acceptor: Acceptor,
        socket: net::TcpListener,
        until: CancellationToken,
        open: TaskTrackerToken,
    ) {
        self.worker.do_send(Accept { acceptor, socket, until, open }); // once for each listener
    }
}

impl Handler<Accept> for Worker {
    type Result = ();

    fn handle(&mut self, Accept { acceptor, socket, until, open }: Accept, _: &mut Self::Context) {
        let factory = self.factory(acceptor.listener);
        actix_rt::spawn(async move {
            acceptor.accept(socket, factory, until).await;
            drop(open);
        });
    }
}

impl Acceptor {
    /// Accepts until `closing`, and then who came before: the kernel resets whoever waits when a listener is closed. `factory`
    /// is that of its home.
    pub async fn accept(
        self,
        socket: net::TcpListener,
        factory: Rc<ConnectionFactory>,
        closing: CancellationToken,
    ) {
        let _guard = PanicGuard("acceptor");
        let waiting = socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket));
        let socket = waiting.expect("the kernel has room for one socket more to wait for");
        closing.run_until_cancelled(self.accept_all(&socket, &factory)).await;
        let _ = refuse_new(&socket); // without it, who comes at this very moment may be reset
        let _ = timeout(LAST_HANDSHAKES_WITHIN, self.accept_all(&socket, &factory)).await;
        while has_waiting(&socket) {
            self.accept_one(&socket, &factory).await;
        }
    }

    async fn accept_all(&self, socket: &TcpListener, factory: &Rc<ConnectionFactory>) -> Infallible {
        loop {
            self.accept_one(socket, factory).await;
        }
    }

    async fn accept_one(&self, socket: &TcpListener, factory: &Rc<ConnectionFactory>) {
        if !self.shared.limits.descriptors.suffice_for_client() {
            if has_waiting(socket) {
                self.shared.limits.descriptors.report_shortage();
                self.log_accept_error(&Errno::MFILE.into());
            }
            return sleep(PAUSE).await;
        }
        match socket.accept().await {
            Ok((client, peer)) => self.hand_over(client, peer, factory),
            Err(error) if is_peer_gone(&error) => {}
            Err(error) => {
                self.log_accept_error(&error);
                sleep(PAUSE).await;
            }
        }
    }

    /// The thread that has the fewest connections gets one more: whoever leaves, those who come make them even again.
    fn hand_over(&self, client: TcpStream, peer: SocketAddr, factory: &Rc<ConnectionFactory>) {
        let threads = self.threads.iter().enumerate();
        let fewest = threads.min_by_key(|(_, thread)| thread.connections());
        let (number, thread) = fewest.expect("at least one thread");
        if number == self.home {
            thread.serve(client, peer, factory);
        } else {
            thread.send_connection(client, peer, self.listener);
        }
    }

    fn log_accept_error(&self, error: &io::Error) {
        self.shared.metrics.accept_errors.inc();
        error!(
            target: REPEATING,
            "cannot accept on {}: {error}; who comes now waits. If descriptors are short, raise their hard limit \
             (`ulimit -Hn`, LimitNOFILE= in systemd), or lower limits.connections",
            self.address
        );
    }
}

/// Whether only this client is concerned, who came and went before it was accepted.
fn is_peer_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}
