//! What HTTP requests get: the page, the opening handshake, facts about rooms, or a refusal.

mod access; // who may do what
mod guard; // what every request passes
mod request_body; // what a request says
mod publish; // messages over HTTP
mod sse; // listening over HTTP
mod recall; // what was said before
mod page; // files for the browser
mod held_body; // a response that holds something until it is sent
mod refusal; // why a request is refused
mod rooms; // facts about rooms
mod history; // what was said in one, piece by piece
mod handshake; // the opening handshake
mod query; // what a client asks for in its address

pub use access::origin::LocalAddress;
pub use guard::{Asked, guard, refuse};
pub use handshake::list_has;
pub use refusal::Refusal;

use crate::{
    hub::Hub,
    limits::{ConnectionSlot, Source},
    shared::Shared,
};
use access::{api_keys::ApiKeys, origin::Origins};
use actix::Addr;
use actix_service::ServiceFactory;
use actix_web::{
    App, Error, HttpRequest, HttpResponse, Resource, Responder,
    dev::{ServiceRequest, ServiceResponse},
    middleware::{DefaultHeaders, from_fn},
    web,
};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Instant};

/// What the handlers of one server share.
pub struct AppState {
    shared: Arc<Shared>,
    hub: Addr<Hub>,
    keys: ApiKeys,
    origins: Origins,
    page: Option<PathBuf>,
}

impl AppState {
    /// `listeners` are the addresses that are really listened to.
    pub fn new(shared: Arc<Shared>, hub: Addr<Hub>, listeners: &[SocketAddr]) -> Self {
        let settings = &shared.settings;
        Self {
            keys: ApiKeys::new(settings.publish.keys.clone()),
            origins: Origins::new(&settings.origins, listeners),
            page: page::directory(&settings.page),
            shared,
            hub,
        }
    }

    /// What the app of `request` shares.
    fn of(request: &HttpRequest) -> &Self {
        request.app_data::<web::Data<Self>>().expect("every app has its state")
    }

    /// A place for the client of `request`.
    fn connection_slot(&self, request: &HttpRequest) -> Result<ConnectionSlot, Refusal> {
        let ip = request.peer_addr().map(|peer| peer.ip());
        self.shared.limits.connections.acquire(ip, Instant::now()).map_err(Refusal::LimitReached)
    }

    /// The share of shared bounds that `request` takes from.
    fn source(&self, request: &HttpRequest) -> Source {
        let ip = request.peer_addr().map(|peer| peer.ip());
        Source::new(ip, self.keys.check(request).is_ok())
    }
}

/// Every address that every listener answers; `listener` is the one that this app answers for.
pub fn app(state: web::Data<AppState>, listener: SocketAddr) -> App<impl AppEntry> {
    App::new()
        .app_data(state)
        .app_data(LocalAddress(listener))
        .wrap(from_fn(guard::guard))
        .service(web::scope("/websocket").default_service(web::to(handshake::upgrade))) // a pattern for the room would cost a fifth of the handshake
        .service(readable("/rooms", rooms::list))
        .service(readable("/rooms/{room:[^/]*}", rooms::describe))
        .service(readable("/rooms/{room}/events", sse::listen))
        .service(messages("/rooms/{room}/messages"))
        .service(writable("/rooms/{room}/batch", publish::batch))
        .service(web::scope("/rooms").default_service(web::to(not_found)))
        .service(
            web::scope("")
                .wrap(page_headers())
                .service(readable("/", page_or_websocket))
                .service(page::resource("/{file:.*}")),
        )
}

/// What `App` asks of its entry; the long form that actix-web has no name for.
pub trait AppEntry:
    ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>
{
}

impl<F> AppEntry for F where
    F: ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>
{
}

async fn not_found() -> Result<HttpResponse, Refusal> {
    Err(Refusal::NotFound)
}

/// `/` is both: the page for browsers, the default room for WebSocket.
async fn page_or_websocket(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Refusal> {
    match handshake::asks_for_upgrade(&request) {
        true => handshake::upgrade(request, state).await,
        false => page::file(request, state).await,
    }
}

/// An address that can be read and nothing else.
fn readable<F, Args>(path: &str, handler: F) -> Resource
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

/// What was said, to be read and to be added to.
fn messages(path: &str) -> Resource {
    let refuse = || async { Err::<HttpResponse, _>(Refusal::MethodNotAllowed("GET, HEAD, POST")) };
    web::resource(path)
        .route(web::get().to(rooms::messages))
        .route(web::head().to(rooms::messages))
        .route(web::post().to(publish::message))
        .default_service(web::to(refuse))
}

/// An address that takes what is sent there and nothing else.
fn writable<F, Args>(path: &str, handler: F) -> Resource
where
    F: actix_web::Handler<Args>,
    F::Output: Responder + 'static,
    Args: actix_web::FromRequest + 'static,
{
    let refuse = || async { Err::<HttpResponse, _>(Refusal::MethodNotAllowed("POST")) };
    web::resource(path).route(web::post().to(handler)).default_service(web::to(refuse))
}

/// What a browser must know about the page: nothing comes from elsewhere, only sockets go elsewhere,
/// and a copy is good only after asking whether the file has changed.
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
