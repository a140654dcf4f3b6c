//! From a new connection to what it becomes.
//!
//! A request that asks for an upgrade is judged by the same `App` that answers plain requests. What it refuses is written back
//! like any response; what it admits becomes a session that owns its socket. Every other request is left to actix-http,
//! together with what was read of it.

use super::{
    node::Node,
    reread::Reread,
    visit::{Visit, other},
};
use crate::{
    http::{self, Refusal},
    relay::Desk,
    session::{Newcomer, Session},
};
use actix_http::{
    HttpService, KeepAlive, Request, Response, ServiceConfig, ServiceConfigBuilder, StatusCode,
    body::BoxBody, error::DispatchError,
};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, boxed, fn_service, map_config};
use actix_web::dev::{AppConfig, ServiceResponse};
use futures_util::{FutureExt, future::LocalBoxFuture};
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
pub struct Door {
    app: App,
    http: Http,
    config: ServiceConfig,
    desk: Rc<Desk>,
}

/// A connection, from its first request to its end: each step of its way is a future that is freed before the next begins.
/// As small as can be, since one is kept for every idle session.
pub struct Connection(LocalBoxFuture<'static, Next>);

/// The next step; none at the end of the connection, or where it broke.
type Next = io::Result<Option<Connection>>;

/// How often the clock of actix-http moves on; a deadline that has passed when it is set is never noticed.
const HTTP_TICK: Duration = Duration::from_millis(500);

impl Connection {
    fn ends_with(last: impl Future + 'static) -> Self {
        Self(Box::pin(last.map(|_| Ok(None))))
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while let Ok(Some(next)) = ready!(self.0.as_mut().poll(cx)) {
            *self = next;
        }
        Poll::Ready(())
    }
}

impl Door {
    pub async fn new(node: &Node, listener: SocketAddr) -> Result<Self, ()> {
        let app = map_config(http::app(node.context.clone(), listener), |()| AppConfig::default());
        let app = boxed::rc_service(app.into_factory().new_service(()).await?);
        let desk = node.desk();
        let http = plain(desk.clone(), app.clone()).await?;
        let config = ServiceConfigBuilder::new().keep_alive(KeepAlive::Disabled).build();
        Ok(Self { app, http, config, desk })
    }

    /// What becomes of a client.
    pub fn opens(self: &Rc<Self>, socket: TcpStream, peer: SocketAddr) -> Connection {
        Connection(Box::pin(self.clone().receive(socket, peer)))
    }

    async fn receive(self: Rc<Self>, socket: TcpStream, peer: SocketAddr) -> Next {
        let mut visit = Visit::new(socket, self.config.clone());
        let session = &self.desk.settings.session;
        match timeout(session.handshake_within, visit.handshake()).await {
            Ok(Ok(Some(mut request))) => {
                request.head_mut().peer_addr = Some(peer);
                self.judge(request, visit).await
            }
            Ok(Ok(None)) => Ok(Some(Connection::ends_with(self.http.call((visit.reread(), Some(peer)))))),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                let too_late = Response::with_body(StatusCode::REQUEST_TIMEOUT, BoxBody::new(()));
                visit.refuse(too_late, session).await;
                Ok(None)
            }
        }
    }

    /// Answers the request for an upgrade.
    async fn judge(&self, request: Request, mut visit: Visit) -> Next {
        let session = &self.desk.settings.session;
        let response = self.app.call(request).await.map_err(other)?;
        let mut response: Response<BoxBody> = response.into();
        let newcomer = response.extensions_mut().remove::<Newcomer>();
        match newcomer {
            Some(newcomer) => {
                timeout(session.handshake_within, visit.admit(response)).await??;
                let (socket, unread) = visit.end();
                let session = Session::on_socket(self.desk.clone(), newcomer, socket, unread);
                Ok(Some(Connection::ends_with(session)))
            }
            None => {
                visit.refuse(response, session).await;
                Ok(None)
            }
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
    let newcomer = answer.response_mut().extensions_mut().remove::<Newcomer>();
    match (newcomer, answer.status()) {
        (_, StatusCode::SWITCHING_PROTOCOLS) => {
            answer.error_response(Refusal::Handshake("it must be the first request of its connection"))
        }
        (Some(newcomer), _) => answer.map_body(|_, _| BoxBody::new(Session::listen(desk, newcomer))),
        (None, _) => answer,
    }
}
