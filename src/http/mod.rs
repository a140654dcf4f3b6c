//! HTTP requests and their responses: the page, the opening handshake, event streams, publishing,
//! the state of rooms, and refusals.

mod access; // origins, hosts and API keys
mod guard; // checks of every request, counts of every refusal
mod request_body; // request bodies, read within bounds
mod publish; // publishing over HTTP
mod sse; // Server-Sent Events
mod page; // files for browsers
mod held_body; // responses that hold a permit until they are sent
mod refusal; // refusals with status, code and sentence
mod rooms; // the state and the messages of rooms
mod history; // histories as JSON, piece by piece
mod handshake; // the opening handshake
mod query; // parameters in the query of a request, the requested part of a history

pub use access::origin::LocalAddress;
pub use guard::{RequestSummary, guard, refuse, refuse_foreign_names};
pub use handshake::list_has;
pub use refusal::Refusal;

use crate::{
    hub::Hub,
    limits::{ConnectionSlot, Source},
    shared::Shared,
};
use access::{cors, origin::check_host};
use actix::Addr;
use actix_service::ServiceFactory;
use actix_web::{
    App, Error, HttpRequest, HttpResponse, Resource, Responder,
    dev::{HttpServiceFactory, ServiceRequest, ServiceResponse},
    http::{Method, header},
    middleware::{DefaultHeaders, from_fn},
    web,
};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Instant};

/// The methods of the server, over all its resources.
const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// The state that the handlers of one server share.
pub struct AppState {
    shared: Arc<Shared>,
    hub: Addr<Hub>,
    /// The ports of the listeners.
    ports: Vec<u16>,
    page: Option<PathBuf>,
}

impl AppState {
    /// The state of a server whose listeners are bound to these addresses.
    pub fn new(shared: Arc<Shared>, hub: Addr<Hub>, listeners: &[SocketAddr]) -> Self {
        Self {
            ports: listeners.iter().map(SocketAddr::port).collect(),
            page: page::directory(&shared.startup.page_directory),
            shared,
            hub,
        }
    }

    /// Returns the state of the `App` of `request`.
    fn of(request: &HttpRequest) -> &Self {
        request.app_data::<web::Data<Self>>().expect("every app has its state")
    }

    /// Reserves a place in the connection limits for the client of `request`.
    fn connection_slot(&self, request: &HttpRequest) -> Result<ConnectionSlot, Refusal> {
        let ip = request.peer_addr().map(|peer| peer.ip());
        let bounds = self.shared.policy.load().limits.connections;
        let acquired = self.shared.limits.connections.acquire(bounds, ip, Instant::now());
        acquired.map_err(Refusal::LimitReached)
    }

    /// Returns the source to whose share of a limit `request` is charged.
    fn source(&self, request: &HttpRequest) -> Source {
        let ip = request.peer_addr().map(|peer| peer.ip());
        Source::new(ip, self.check_key(request).is_ok())
    }
}

/// Builds the `App` of all listeners; `listener` is the address of the one that uses it. Each scope
/// refuses foreign names by itself: that of rooms below the headers of CORS, and that of handshakes
/// without a middleware, which each of them would pay for.
pub fn app(state: web::Data<AppState>, listener: SocketAddr) -> App<impl AppEntry> {
    App::new()
        .app_data(state.clone())
        .app_data(LocalAddress(listener))
        .wrap(from_fn(guard))
        .service(web::scope("/websocket").default_service(web::to(handshake::upgrade))) // a pattern for the room would cost a fifth of the handshake
        .service(room_scope(state))
        .service(
            web::scope("")
                .wrap(page_headers())
                .wrap(from_fn(refuse_foreign_names))
                .service(readable("/", page_or_websocket))
                .service(page::resource("/{file:.*}")),
        )
        .default_service(web::to(without_path))
}

/// Builds the scope of rooms, where pages of other origins may publish and read. The middleware
/// that is added last is the first to see a request.
fn room_scope(state: web::Data<AppState>) -> impl HttpServiceFactory {
    web::scope("/rooms")
        .wrap(from_fn(refuse_foreign_names))
        .wrap(cors::cors(state))
        .wrap(from_fn(cors::judge_preflight))
        .wrap(cors::vary())
        .service(readable("", rooms::list))
        .service(readable("/{room:[^/]*}", rooms::describe))
        .service(readable("/{room}/events", sse::listen))
        .service(messages("/{room}/messages"))
        .service(writable("/{room}/batch", publish::batch))
        .default_service(web::to(not_found))
}

/// The entry of an `App`: an alias for the long bound for which actix-web has no name.
pub trait AppEntry:
    ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>
{
}

impl<F> AppEntry for F where
    F: ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>
{
}

/// Refuses a path that leads nowhere.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn not_found() -> Result<HttpResponse, Refusal> {
    Err(Refusal::NotFound)
}

/// Handles requests whose target is no path. `OPTIONS *` asks about the server as a whole (RFC 9110
/// §9.3.7).
///
/// # Errors
/// [`Refusal::MethodNotAllowed`] for CONNECT, and [`Refusal::Request`] for any other method.
pub async fn without_path(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    check_host(&request)?;
    match *request.method() {
        Method::OPTIONS if request.path() == "*" => {
            Ok(HttpResponse::NoContent().insert_header((header::ALLOW, METHODS)).finish())
        }
        Method::CONNECT => Err(Refusal::MethodNotAllowed(METHODS)),
        _ => Err(Refusal::Request("the target of a request is a path".to_owned())),
    }
}

/// Handles `/`: the page for browsers, the default room for a WebSocket.
async fn page_or_websocket(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Refusal> {
    match handshake::asks_for_upgrade(&request) {
        true => handshake::upgrade(request, state).await,
        false => page::file(request, state).await,
    }
}

/// A resource that allows GET and HEAD.
pub fn readable<F, Args>(path: &str, handler: F) -> Resource
where
    F: actix_web::Handler<Args>,
    F::Output: Responder + 'static,
    Args: actix_web::FromRequest + 'static,
{
    let refuse = || async { Err::<HttpResponse, _>(Refusal::MethodNotAllowed("GET, HEAD")) };
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(refuse))
}

/// The messages of a room, to read and to publish.
fn messages(path: &str) -> Resource {
    let refuse = || async { Err::<HttpResponse, _>(Refusal::MethodNotAllowed("GET, HEAD, POST")) };
    web::resource(path)
        .route(web::get().to(rooms::messages))
        .route(web::head().to(rooms::messages))
        .route(web::post().to(publish::message))
        .default_service(web::to(refuse))
}

/// A resource that allows POST.
fn writable<F, Args>(path: &str, handler: F) -> Resource
where
    F: actix_web::Handler<Args>,
    F::Output: Responder + 'static,
    Args: actix_web::FromRequest + 'static,
{
    let refuse = || async { Err::<HttpResponse, _>(Refusal::MethodNotAllowed("POST")) };
    web::resource(path).route(web::post().to(handler)).default_service(web::to(refuse))
}

/// Returns the headers of the page: no content from elsewhere except sockets, and a cached file is
/// used only after revalidation.
fn page_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("Cache-Control", "no-cache"))
}
