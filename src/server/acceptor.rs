//! The acceptor of a listener, which distributes connections to all worker threads.
//!
//! It runs on one of them: a dedicated thread would be woken for nearly every connection.

use super::{
    connection::ConnectionFactory,
    listener::{has_waiting, refuse_new},
    worker::{Worker, WorkerHandle},
};
use crate::{exit::PanicGuard, logging::REPEATING, shared::Shared, transport::Transport};
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
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};

/// The time for handshakes of TCP that are under way when a listener closes: the kernel has
/// answered, but the client's ACK has not arrived.
const LAST_HANDSHAKES_WITHIN: Duration = Duration::from_millis(200);

/// The pause after a failure to accept.
const PAUSE: Duration = Duration::from_millis(100);

/// An acceptor of connections, for one listener and all threads.
pub struct Acceptor {
    /// The index of the listener in `listen`.
    pub listener: usize,
    /// The address of the listener.
    pub address: SocketAddr,
    /// The threads that it distributes connections to.
    pub threads: Arc<[WorkerHandle]>,
    /// The index of the thread that it runs on.
    pub home: usize,
    /// The state that all threads share.
    pub shared: Arc<Shared>,
}

/// Server → worker: run this acceptor, which serves all threads.
#[derive(Message)]
#[rtype(result = "()")]
struct Accept {
    acceptor: Acceptor,
    socket: net::TcpListener,
    until: CancellationToken,
    /// Held while the listener is open.
    open: TaskTrackerToken,
}

impl WorkerHandle {
    /// Runs `acceptor` on this thread until `until`; it holds `open` all the time.
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
    /// Accepts until `closing`, and then the connections that are already established: the kernel
    /// resets those that wait when a listener is closed. `factory` is that of its own thread.
    pub async fn accept(
        self,
        socket: net::TcpListener,
        factory: Rc<ConnectionFactory>,
        closing: CancellationToken,
    ) {
        let _guard = PanicGuard("acceptor");
        let waiting = socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket));
        let socket = waiting.expect("the kernel can register one more socket");
        closing.run_until_cancelled(self.accept_all(&socket, &factory)).await;
        let _ = refuse_new(&socket); // otherwise a connection of this moment may be reset
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
            Ok((client, peer)) => self.distribute(client.into(), Some(peer), factory),
            Err(error) if is_peer_gone(&error) => {}
            Err(error) => {
                self.log_accept_error(&error);
                sleep(PAUSE).await;
            }
        }
    }

    /// Passes the connection to the thread with the fewest connections; this keeps threads balanced
    /// as clients come and go.
    fn distribute(&self, client: Transport, peer: Option<SocketAddr>, factory: &Rc<ConnectionFactory>) {
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
            "cannot accept on {}: {error}; new connections wait. If descriptors are short, raise their hard limit \
             (`ulimit -Hn`, LimitNOFILE= in systemd), or lower limits.connections",
            self.address
        );
    }
}

/// Returns true if the error concerns one client, which closed its connection before it was
/// accepted.
fn is_peer_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{server::context::ServerContext, testing::ends_the_process};

    #[test]
    fn an_acceptor_that_panics_ends_the_process_with_its_own_code() {
        ends_the_process(
            "server::acceptor::tests::an_acceptor_that_panics_ends_the_process_with_its_own_code",
            async {
                let context = ServerContext::for_tests();
                let socket = net::TcpListener::bind("127.0.0.1:0").unwrap();
                let address = socket.local_addr().unwrap();
                let factory = ConnectionFactory::new(&context, context.start_relay(), address).await.unwrap();
                let threads = Arc::new([]); // none to distribute to: the first client is fatal
                let acceptor =
                    Acceptor { listener: 0, address, threads, home: 0, shared: context.shared.clone() };
                actix_rt::spawn(acceptor.accept(socket, Rc::new(factory), CancellationToken::new()));
                let _client = tokio::net::TcpStream::connect(address).await.unwrap();
            },
        );
    }
}
