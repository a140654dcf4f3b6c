//! The admin listener: liveness, readiness and metrics for operators.
//!
//! It is a server of its own, with a thread of its own: it responds while the workers are busy, and
//! stops last.

use super::listener;
use super::{StartError, context::ServerContext};
use crate::{
    http::{LocalAddress, guard},
    logging,
    shared::Shared,
    transport::local_address,
};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, http::header, middleware::from_fn, web,
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The flag for load balancers: true while the server takes new clients.
#[derive(Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Sets the flag; `GET /ready` responds with 200 or 503.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The running admin listener.
pub struct Admin {
    server: Option<ServerHandle>,
    addresses: Vec<SocketAddr>,
}

impl Admin {
    /// Serves on the addresses of `admin.listen`; on none if that is empty.
    ///
    /// # Errors
    /// [`StartError::Listen`] if an address cannot be bound, [`StartError::Admin`] if it cannot be
    /// served.
    pub fn start(context: ServerContext, readiness: Readiness) -> Result<Self, StartError> {
        let listeners = listener::bind_admin(&context.shared.settings)?;
        let addresses: Vec<_> = listeners.iter().map(|(_, address)| *address).collect();
        let Some(first) = addresses.first().copied() else {
            return Ok(Self { server: None, addresses });
        };
        let app = move || {
            App::new()
                .app_data(context.state.clone())
                .app_data(LocalAddress(first)) // for connections without an address of their own
                .wrap(from_fn(guard))
                .app_data(web::Data::new(context.clone()))
                .app_data(web::Data::new(readiness.clone()))
                .route("/health", web::get().to(health))
                .route("/ready", web::get().to(ready))
                .route("/metrics", web::get().to(metrics))
        };
        let mut server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(1);
        server = server.on_connect(|socket, data| {
            if let Some(address) = local_address(socket) {
                data.insert(LocalAddress(address));
            }
        });
        for (listener, address) in listeners {
            server = server.listen(listener).map_err(|cause| StartError::Admin { address, cause })?;
        }
        let server = server.run();
        let handle = server.handle();
        actix_rt::spawn(server);
        Ok(Self { server: Some(handle), addresses })
    }

    /// Returns the bound addresses.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops the listener, after requests that are being handled.
    pub async fn stop(self) {
        if let Some(server) = self.server {
            server.stop(true).await;
        }
    }
}

/// Handles `GET /health`: any response shows that the process is alive.
async fn health() -> &'static str {
    "ok\n"
}

async fn ready(readiness: web::Data<Readiness>) -> HttpResponse {
    match readiness.get() {
        true => HttpResponse::Ok().body("ready\n"),
        false => HttpResponse::ServiceUnavailable().body("not ready\n"),
    }
}

async fn metrics(
    request: HttpRequest,
    context: web::Data<ServerContext>,
) -> Result<HttpResponse, actix_web::Error> {
    let Shared { settings, metrics, limits, .. } = &*context.shared;
    let all = settings.limits.in_flight_bytes.bytes();
    let free = limits.in_flight.available_permits();
    metrics.in_flight_bytes.set(all.saturating_sub(free) as i64);
    metrics.outbox_bytes.set(limits.backlog.held() as i64);
    metrics.log_lines_dropped.inner().store(logging::dropped(), Ordering::Relaxed);
    metrics.log_lines_suppressed.inner().store(logging::suppressed(), Ordering::Relaxed);
    let (text, kind) = match accepts_open_metrics(&request) {
        true => (metrics.text(), "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        false => (metrics.classic_text(), "text/plain; version=0.0.4; charset=utf-8"),
    };
    let text = text.map_err(actix_web::error::ErrorInternalServerError)?;
    Ok(HttpResponse::Ok().content_type(kind).body(text))
}

/// Returns true for clients that accept OpenMetrics. A browser shows plain text, but downloads
/// types that it does not know.
fn accepts_open_metrics(request: &HttpRequest) -> bool {
    let mut accepted = request.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    accepted.any(|kinds| kinds.contains("application/openmetrics-text"))
}
