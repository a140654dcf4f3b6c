//! The admin listener: liveness, readiness and metrics for operators.
//!
//! It has a thread of its own: it responds while the workers are busy, and stops last. Its
//! connections are as bounded as those of clients, and few.

use super::{
    StartError,
    connection::HttpService,
    context::ServerContext,
    listener::{self, Bound},
    worker::runtime,
};
use crate::{
    clock::timeout,
    exit::PanicGuard,
    http::{AppEntry, LocalAddress, guard, not_found, readable, refuse_foreign_names, without_path},
    logging::{self, REPEATING},
    readiness::Readiness,
    shared::Shared,
    transport::Transport,
};
use actix_rt::{Arbiter, ArbiterHandle};
use actix_web::{
    App, HttpMessage, HttpRequest, HttpResponse,
    http::header::{Accept, Quality, QualityItem},
    middleware::from_fn,
    web,
};
use futures_util::future::join_all;
use log::error;
use serde_json::json;
use std::{
    cell::{Cell, RefCell},
    io,
    net::{self, SocketAddr},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::{
    net::TcpListener,
    task::{AbortHandle, yield_now},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The most connections, inclusive: half of the descriptors that clients leave to the server. At
/// the bound a new one replaces the one that has waited longest for its next request, or else the
/// one that has been responded to longest.
const MAX_CONNECTIONS: usize = 32;

/// The pause after a failure to accept.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest time for responses that are being written at the end.
const END_WITHIN: Duration = Duration::from_secs(1);

/// The running admin listener.
pub struct Admin {
    thread: Option<AdminThread>,
    addresses: Vec<SocketAddr>,
}

struct AdminThread {
    arbiter: ArbiterHandle,
    closing: CancellationToken,
    /// Counts the connections, and the listeners together as one.
    tasks: TaskTracker,
}

impl Admin {
    /// Serves on the addresses of `admin.listen`; on none if that is empty.
    ///
    /// # Errors
    /// [`StartError::Listen`] if an address cannot be bound, [`StartError::Admin`] if the thread
    /// cannot be started.
    pub fn start(context: ServerContext, readiness: Readiness) -> Result<Self, StartError> {
        let listeners = listener::bind_admin(&context.shared.startup, &context.shared.policy.load().session)?;
        let addresses: Vec<_> = listeners.iter().map(|(_, address)| *address).collect();
        let Some(first) = addresses.first().copied() else {
            return Ok(Self { thread: None, addresses });
        };
        let arbiter = Arbiter::try_with_tokio_rt(|| runtime(1))
            .map_err(|cause| StartError::Admin { address: first, cause })?
            .handle();
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (until, tracker) = (closing.clone(), tasks.clone());
        arbiter.spawn_fn(move || {
            let served = serve(listeners, context, readiness, until, tracker.clone());
            actix_rt::spawn(tracker.track_future(served));
        });
        Ok(Self { thread: Some(AdminThread { arbiter, closing, tasks }), addresses })
    }

    /// Returns the bound addresses.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops the listener, after the responses that are being written.
    pub async fn stop(self) {
        let Some(AdminThread { arbiter, closing, tasks }) = self.thread else { return };
        closing.cancel();
        tasks.close();
        let _ = timeout(END_WITHIN, tasks.wait()).await; // the others end with the thread
        arbiter.stop();
    }
}

/// Accepts and serves on all `listeners` until `closing`.
async fn serve(
    listeners: Vec<Bound>,
    context: ServerContext,
    readiness: Readiness,
    closing: CancellationToken,
    tasks: TaskTracker,
) {
    let _guard = PanicGuard("admin listener");
    let http = HttpService::new(app(context.clone(), readiness), &context, closing.clone()).await;
    let http = http.expect("an App that needs nothing to start");
    let connections = RefCell::default();
    let server = Rc::new(AdminServer { http, shared: context.shared, connections, tasks });
    closing.run_until_cancelled(join_all(listeners.into_iter().map(|bound| server.accept_all(bound)))).await;
    server.abort_waiting();
}

/// Builds the `App` of all admin listeners.
fn app(context: ServerContext, readiness: Readiness) -> App<impl AppEntry> {
    App::new()
        .app_data(context.state.clone())
        .app_data(web::Data::new(context))
        .app_data(web::Data::new(readiness))
        .wrap(from_fn(refuse_foreign_names))
        .wrap(from_fn(guard))
        .service(readable("/health", health))
        .service(readable("/ready", ready))
        .service(readable("/metrics", metrics))
        .service(web::resource("/{other:.*}").default_service(web::to(not_found)))
        .default_service(web::to(without_path))
}

/// The server on the thread of the admin listeners.
struct AdminServer {
    http: HttpService,
    shared: Arc<Shared>,
    connections: RefCell<Vec<Connection>>,
    tasks: TaskTracker,
}

/// An open connection.
struct Connection {
    activity: Rc<Cell<Activity>>,
    task: AbortHandle,
}

/// The state of a connection, and its beginning. The smallest gives way first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Activity {
    Waits(Instant),
    Responds(Instant),
}

impl AdminServer {
    async fn accept_all(self: &Rc<Self>, (socket, address): Bound) {
        let socket = register(socket).expect("the kernel can register one more socket");
        loop {
            match socket.accept().await {
                Ok((client, peer)) => self.add(client.into(), peer),
                Err(error) => {
                    self.shared.metrics.accept_errors.inc();
                    error!(target: REPEATING, "cannot accept on {address} (admin.listen): {error}");
                    sleep(PAUSE).await;
                }
            }
            yield_now().await; // the connection reads its request before others can take its place
        }
    }

    fn add(self: &Rc<Self>, client: Transport, peer: SocketAddr) {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.task.is_finished());
        while connections.len() >= MAX_CONNECTIONS {
            let open = connections.iter().enumerate();
            let Some((first, _)) = open.min_by_key(|(_, connection)| connection.activity.get()) else {
                break;
            };
            connections.swap_remove(first).task.abort();
            self.shared.metrics.admin_evictions.inc();
        }
        let activity = Rc::new(Cell::new(Activity::Waits(Instant::now())));
        let served = self.clone().respond_to_all(client, peer, activity.clone());
        let task = actix_rt::spawn(self.tasks.track_future(served)).abort_handle();
        connections.push(Connection { activity, task });
    }

    /// Handles one request after the other, to the end of the connection.
    async fn respond_to_all(
        self: Rc<Self>,
        client: Transport,
        peer: SocketAddr,
        activity: Rc<Cell<Activity>>,
    ) -> io::Result<()> {
        let address = client.local_address();
        let mut exchange = self.http.exchange(client);
        while let Some(request) = self.http.next_request(&mut exchange, Some(peer)).await? {
            activity.set(Activity::Responds(Instant::now()));
            if let Some(address) = address {
                request.extensions_mut().insert(LocalAddress(address));
            }
            let response = self.http.call(request).await?;
            if !self.http.respond(&mut exchange, response, Some(peer)).await? {
                break;
            }
            activity.set(Activity::Waits(Instant::now()));
        }
        Ok(())
    }

    /// Ends the connections without a request.
    fn abort_waiting(&self) {
        for connection in self.connections.borrow().iter() {
            if matches!(connection.activity.get(), Activity::Waits(_)) {
                connection.task.abort();
            }
        }
    }
}

fn register(socket: net::TcpListener) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

/// Handles `GET /health`: any response shows that the process is alive.
async fn health() -> &'static str {
    "ok\n"
}

/// Handles `GET /ready`: 503 with the reasons while there are any.
async fn ready(readiness: web::Data<Readiness>) -> HttpResponse {
    let reasons = readiness.reasons();
    match reasons.is_empty() {
        true => HttpResponse::Ok().body("ready\n"),
        false => HttpResponse::ServiceUnavailable().json(json!({ "reasons": reasons })),
    }
}

async fn metrics(
    request: HttpRequest,
    context: web::Data<ServerContext>,
) -> Result<HttpResponse, actix_web::Error> {
    let Shared { metrics, limits, .. } = &*context.shared;
    let all = limits.sizes.in_flight;
    let free = limits.in_flight.available_permits();
    metrics.in_flight_bytes.set(all.saturating_sub(free) as i64);
    metrics.outbox_bytes.set(limits.backlog.held() as i64);
    metrics.log_lines_dropped.inner().store(logging::dropped(), Ordering::Relaxed);
    metrics.log_lines_suppressed.inner().store(logging::suppressed(), Ordering::Relaxed);
    let (text, kind) = match prefers_open_metrics(&request) {
        true => (metrics.text(), "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        false => (metrics.classic_text(), "text/plain; version=0.0.4; charset=utf-8"),
    };
    let text = text.map_err(actix_web::error::ErrorInternalServerError)?;
    Ok(HttpResponse::Ok().content_type(kind).body(text))
}

/// Returns true for clients that prefer OpenMetrics, or name it and like plain text no better (RFC
/// 9110 §12.5.1). A browser shows plain text, but downloads types that it does not know.
fn prefers_open_metrics(request: &HttpRequest) -> bool {
    let accepted = request.get_header::<Accept>().unwrap_or(Accept(Vec::new()));
    let open_metrics = weight(&accepted, "application", "openmetrics-text", Some("1.0.0"));
    let (_, plain) = weight(&accepted, "text", "plain", None);
    match open_metrics {
        (_, Quality::ZERO) => false,
        (Precision::Type | Precision::Version, quality) => quality >= plain,
        (_, quality) => quality > plain,
    }
}

/// The precision with which a media range names a type, in ascending order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    /// `*/*`.
    Any,
    /// `text/*`.
    Group,
    /// `text/plain`.
    Type,
    /// The type and its version.
    Version,
}

/// Returns the weight of a type: that of the range that names it with the greatest precision, or
/// zero.
fn weight(accepted: &Accept, group: &str, name: &str, version: Option<&str>) -> (Precision, Quality) {
    let weights = accepted.iter().filter_map(|QualityItem { item: range, quality }| {
        let precision = match (range.type_().as_str(), range.subtype().as_str()) {
            ("*", "*") => Precision::Any,
            (first, "*") if first == group => Precision::Group,
            (first, second) if (first, second) != (group, name) => return None,
            _ => match (range.get_param("version"), version) {
                (None, _) | (_, None) => Precision::Type,
                (Some(asked), Some(version)) if asked == version => Precision::Version,
                _ => return None,
            },
        };
        Some((precision, *quality))
    });
    weights.max().unwrap_or((Precision::Any, Quality::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{http::header::ACCEPT, test::TestRequest};

    fn prefers(accept: &str) -> bool {
        prefers_open_metrics(&TestRequest::default().insert_header((ACCEPT, accept)).to_http_request())
    }

    #[test]
    fn open_metrics_is_for_clients_that_prefer_or_name_it() {
        for accept in [
            "application/openmetrics-text",
            "APPLICATION/OpenMetrics-Text; version=1.0.0",
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;\
             version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;\
             q=0.2,*/*;q=0.1",
            "text/plain, application/openmetrics-text",
            "application/openmetrics-text;q=0.1, text/*;q=0.1",
            "application/*, text/plain;q=0.9",
            "*/*;q=0, application/openmetrics-text;q=0.001",
        ] {
            assert!(prefers(accept), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text; Q=0.000, */*",
            "application/*, application/openmetrics-text;q=0",
            "application/openmetrics-text;q=0.2, text/plain;q=0.3",
            "application/openmetrics-text;q=0.2, text/*;q=0.3",
            "application/openmetrics-text;q=0.2, */*",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-texts",
            "x-application/openmetrics-text",
            "text/plain; of=\"application/openmetrics-text\"",
        ] {
            assert!(!prefers(accept), "{accept}");
        }
    }
}
