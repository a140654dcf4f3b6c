//! A TCP proxy whose connections are cut, delayed, throttled or silent as a test wants it.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

/// Bytes that are read at once, and that a throttled connection sends between two pauses.
const CHUNK: usize = 4 << 10;

/// Chunks on their way in one direction of one connection; more is not read.
const ON_THE_WAY: usize = 256;

/// The proxy in front of one server; dropping it cuts its connections.
pub struct Proxy {
    /// The address for clients.
    pub address: SocketAddr,
    line: Arc<Line>,
    accepting: JoinHandle<()>,
}

/// The state that all connections share.
struct Line {
    server: SocketAddr,
    /// Milliseconds by which each chunk is late.
    delay: AtomicU64,
    /// Bytes per second and direction; 0 is no limit.
    rate: AtomicU64,
    /// The number of cuts so far.
    cuts: watch::Sender<u64>,
    /// The number of silences so far.
    silences: watch::Sender<u64>,
}

impl Proxy {
    /// Forwards all bytes to `server` and back.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let line = Arc::new(Line {
            server,
            delay: AtomicU64::new(0),
            rate: AtomicU64::new(0),
            cuts: watch::channel(0).0,
            silences: watch::channel(0).0,
        });
        let accepting = tokio::spawn(accept(listener, line.clone()));
        Self { address, line, accepting }
    }

    /// Cuts all present connections.
    pub fn cut(&self) {
        self.line.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Present connections stay open and forward nothing any more; later ones do.
    pub fn falls_silent(&self) {
        self.line.silences.send_modify(|silences| *silences += 1);
    }

    /// Forwards all bytes later by `delay`, in whole milliseconds.
    pub fn delays(&self, delay: Duration) {
        self.line.delay.store(delay.as_millis() as u64, Ordering::Relaxed);
    }

    /// Forwards at most so many bytes per second in each direction of each connection; 0 is no
    /// limit.
    pub fn throttles(&self, bytes_per_second: u64) {
        self.line.rate.store(bytes_per_second, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, line: Arc<Line>) {
    while let Ok((client, _)) = listener.accept().await {
        let (line, mut cuts) = (line.clone(), line.cuts.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                _ = cuts.changed() => {}
                _ = line.connects(client) => {}
            }
        });
    }
}

impl Line {
    async fn connects(&self, client: TcpStream) -> io::Result<()> {
        let silences = self.silences.subscribe();
        let server = TcpStream::connect(self.server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            ended = self.forwards(from_client, to_server, silences.clone()) => ended,
            ended = self.forwards(from_server, to_client, silences) => ended,
        }
    }

    /// Forwards in one direction until its end.
    async fn forwards(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        mut silences: watch::Receiver<u64>,
    ) -> io::Result<()> {
        let (on_the_way, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
        let reads = async {
            loop {
                let mut chunk = vec![0; CHUNK];
                let length = from.read(&mut chunk).await?;
                chunk.truncate(length);
                let delay = Duration::from_millis(self.delay.load(Ordering::Relaxed));
                if length == 0 || on_the_way.send((Instant::now() + delay, chunk)).await.is_err() {
                    return Ok(());
                }
            }
        };
        let writes = async {
            while let Some((due, chunk)) = arriving.recv().await {
                sleep_until(due).await;
                to.write_all(&chunk).await?;
                if let rate @ 1.. = self.rate.load(Ordering::Relaxed) {
                    sleep(Duration::from_secs_f64(chunk.len() as f64 / rate as f64)).await;
                }
            }
            Ok(())
        };
        let flows = async {
            tokio::select! {
                ended = reads => ended,
                ended = writes => ended,
            }
        };
        tokio::select! {
            ended = flows => ended,
            _ = silences.changed() => std::future::pending().await, // the sockets stay open
        }
    }
}
