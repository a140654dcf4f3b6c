//! From a new connection to what it becomes.
//!
//! A request that asks for an upgrade is judged by the same `App` that answers plain requests. What it refuses is written back
//! like any response; what it admits becomes a session that owns its socket. Every other request is left to actix-http,
//! together with what was read of it.

use super::{
    reread::Reread,
    service::Node,
    visit::{Visit, other},
};
use crate::{
    config::SessionSettings,
    http::{self, Refusal},
    relay::Desk,
    session::{Running, Session, Terms},
};
use actix_http::{
    HttpService, KeepAlive, Request, Response, ServiceConfig, ServiceConfigBuilder, StatusCode,
    body::BoxBody, error::DispatchError,
};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, boxed, fn_factory, fn_service, map_config};
use actix_web::dev::{AppConfig, ServiceResponse};
use futures_util::future::LocalBoxFuture;
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};

type App = boxed::RcService<Request, ServiceResponse, actix_web::Error>;
type Http = boxed::RcService<(Reread, Option<SocketAddr>), (), DispatchError>;

/// What the connections of one listener share on one thread.
struct Door {
    app: App,
    http: Http,
    config: ServiceConfig,
    desk: Rc<Desk>,
}

/// A connection, from its first request to its end: graceful stop counts these futures. Small, since one is kept for every
/// idle session; what the first request needs is freed before it goes on.
enum Connection {
    AtTheDoor(LocalBoxFuture<'static, io::Result<Self>>),
    Session(Box<Running>),
    Plain(LocalBoxFuture<'static, Result<(), DispatchError>>),
    Refused,
}

/// How often the clock of actix-http moves on; a deadline that has passed when it is set is never noticed.
const HTTP_TICK: Duration = Duration::from_millis(500);

/// Makes the service that serves every connection of `listener` to its end.
pub fn factory(
    node: Node,
    listener: SocketAddr,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = io::Error, InitError = ()> {
    fn_factory(move || {
        let node = node.clone();
        async move {
            let door = Rc::new(Door::new(&node, listener).await?);
            Ok(fn_service(move |socket| Connection::AtTheDoor(Box::pin(door.clone().receive(socket)))))
        }
    })
}

impl Connection {
    async fn refused(visit: Visit, answer: Response<BoxBody>, session: &SessionSettings) -> Self {
        visit.refuse(answer, session).await;
        Self::Refused
    }
}

impl Future for Connection {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut *self {
                Self::AtTheDoor(received) => *self = ready!(received.as_mut().poll(cx))?,
                Self::Session(session) => return Pin::new(session).poll(cx).map(Ok),
                Self::Plain(http) => return http.as_mut().poll(cx).map_err(other),
                Self::Refused => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl Door {
    async fn new(node: &Node, listener: SocketAddr) -> Result<Self, ()> {
        let app = map_config(http::app(node.context.clone(), listener), |()| AppConfig::default());
        let app = boxed::rc_service(app.into_factory().new_service(()).await?);
        let desk = node.desk();
        let http = plain(desk.clone(), app.clone()).await?;
        let config = ServiceConfigBuilder::new().keep_alive(KeepAlive::Disabled).build();
        Ok(Self { app, http, config, desk })
    }

    async fn receive(self: Rc<Self>, socket: TcpStream) -> io::Result<Connection> {
        let peer = socket.peer_addr().ok();
        let mut visit = Visit::new(socket, self.config.clone());
        let session = &self.desk.settings.session;
        match timeout(session.handshake_within, visit.handshake()).await {
            Ok(Ok(Some(mut request))) => {
                request.head_mut().peer_addr = peer;
                self.judge(request, visit).await
            }
            Ok(Ok(None)) => Ok(Connection::Plain(self.http.call((visit.reread(), peer)))),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                let too_late = Response::with_body(StatusCode::REQUEST_TIMEOUT, BoxBody::new(()));
                Ok(Connection::refused(visit, too_late, session).await)
            }
        }
    }

    /// Answers the request for an upgrade.
    async fn judge(&self, request: Request, mut visit: Visit) -> io::Result<Connection> {
        let session = &self.desk.settings.session;
        let response = self.app.call(request).await.map_err(other)?;
        let mut response: Response<BoxBody> = response.into();
        let terms = response.extensions_mut().remove::<Terms>();
        match terms {
            Some(terms) => {
                timeout(session.handshake_within, visit.admit(response)).await??;
                let (socket, unread) = visit.end();
                let session = Session::on_socket(self.desk.clone(), terms, socket, unread);
                Ok(Connection::Session(Box::new(session)))
            }
            None => Ok(Connection::refused(visit, response, session).await),
        }
    }
}

/// What answers plain requests.
async fn plain(desk: Rc<Desk>, app: App) -> Result<Http, ()> {
    let disconnect_within = desk.settings.session.close_within.max(HTTP_TICK * 2);
    let answer = move |request| {
        let (answer, desk) = (app.call(request), desk.clone());
        async move { answer.await.map(|answer| listening(desk, answer)) }
    };
    let http = HttpService::build()
        .client_request_timeout(Duration::ZERO) // the head is here, or will never be
        .client_disconnect_timeout(disconnect_within)
        .keep_alive(KeepAlive::Disabled) // the head of a second request would have no deadline
        .h1(fn_service(answer));
    Ok(boxed::rc_service(http.new_service(()).await?))
}

/// Who was admitted to listen over HTTP hears its room in the body of the answer. A handshake that comes here is not the
/// first request of its connection.
fn listening(desk: Rc<Desk>, mut answer: ServiceResponse) -> ServiceResponse {
    let terms = answer.response_mut().extensions_mut().remove::<Terms>();
    match (terms, answer.status()) {
        (_, StatusCode::SWITCHING_PROTOCOLS) => {
            answer.error_response(Refusal::Handshake("it must be the first request of its connection"))
        }
        (Some(terms), _) => answer.map_body(|_, _| BoxBody::new(Session::listen(desk, terms))),
        (None, _) => answer,
    }
}
