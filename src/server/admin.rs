//! The admin listener: liveness, readiness and metrics for operators.
//!
//! It is a server of its own, with a thread of its own: it responds while the workers are busy, and
//! stops last.

use super::listener;
use super::{StartError, context::ServerContext};
use crate::{
    http::{LocalAddress, guard, not_found, readable, refuse_foreign_names, without_path},
    logging,
    readiness::Readiness,
    shared::Shared,
    transport::local_address,
};
use actix_web::{
    App, HttpMessage, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::header::{Accept, Quality, QualityItem},
    middleware::from_fn,
    web,
};
use serde_json::json;
use std::{net::SocketAddr, sync::atomic::Ordering};

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
        let listeners = listener::bind_admin(&context.shared.startup, &context.shared.policy.load().session)?;
        let addresses: Vec<_> = listeners.iter().map(|(_, address)| *address).collect();
        let Some(first) = addresses.first().copied() else {
            return Ok(Self { server: None, addresses });
        };
        let app = move || {
            App::new()
                .app_data(context.state.clone())
                .app_data(LocalAddress(first)) // for connections without an address of their own
                .wrap(from_fn(refuse_foreign_names))
                .wrap(from_fn(guard))
                .app_data(web::Data::new(context.clone()))
                .app_data(web::Data::new(readiness.clone()))
                .service(readable("/health", health))
                .service(readable("/ready", ready))
                .service(readable("/metrics", metrics))
                .service(web::resource("/{other:.*}").default_service(web::to(not_found)))
                .default_service(web::to(without_path))
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
