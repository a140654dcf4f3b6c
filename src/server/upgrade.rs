//! From a request that asks for an upgrade to a session that owns its socket.
//!
//! The same `App` that answers plain requests judges the handshake. What it refuses is written back
//! like any response; what it admits leaves HTTP behind.

use super::service::Node;
use crate::{
    http,
    relay::Desk,
    session::{Running, Session, Terms},
};
use actix_codec::Framed;
use actix_http::{
    Error, Request, Response,
    body::{BodySize, BoxBody, MessageBody},
    error::ParseError,
    h1::{Codec, Message},
    header,
};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, boxed, fn_factory, fn_service, map_config};
use actix_web::dev::{AppConfig, ServiceResponse};
use bytes::BytesMut;
use futures_util::SinkExt;
use std::{cell::Cell, future::poll_fn, io, net::SocketAddr, pin::pin, rc::Rc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

type Connection = (Request, Framed<TcpStream, Codec>);
type App = boxed::RcService<Request, ServiceResponse, actix_web::Error>;

/// What the upgrades of one listener share on one thread.
struct Gate {
    app: App,
    desk: Rc<Desk>,
}

/// Makes the service that takes over every connection whose request asks for an upgrade.
pub fn factory(
    node: Node,
    listener: SocketAddr,
) -> impl ServiceFactory<Connection, Config = (), Response = (), Error = Error, InitError = Error> {
    fn_factory(move || {
        let node = node.clone();
        async move {
            let app = map_config(http::app(node.context.clone(), listener), |()| AppConfig::default());
            let app = app.into_factory().new_service(()).await.map_err(|()| broken())?;
            let gate = Rc::new(Gate { app: boxed::rc_service(app), desk: node.desk() });
            Ok::<_, Error>(fn_service(move |connection| take_over(gate.clone(), connection)))
        }
    })
}

tokio::task_local! {
    /// What this connection has become.
    static SESSION: Cell<Option<Box<Running>>>;
}

/// Serves a connection to its end, and then the session that it has become, since graceful stop counts these
/// futures; holds nothing of HTTP any more by then.
pub fn until_the_session_ends<E>(
    http: impl Future<Output = Result<(), E>>,
) -> impl Future<Output = Result<(), E>> {
    let http = Box::pin(http); // 1.4 KB, freed before the session begins; an async fn would keep its argument
    let connection = async move {
        http.await?;
        if let Some(session) = SESSION.with(Cell::take) {
            session.await;
        }
        Ok(())
    };
    SESSION.scope(Cell::default(), connection)
}

async fn take_over(gate: Rc<Gate>, connection: Connection) -> Result<(), Error> {
    let handshake = Box::pin(gate.answer(connection));
    if let Ok(session) = handshake.await {
        SESSION.with(|slot| slot.set(session));
    }
    Ok(())
}

impl Gate {
    /// Answers the request; returns the session if it was admitted.
    async fn answer(self: Rc<Self>, (request, mut http): Connection) -> io::Result<Option<Box<Running>>> {
        let response = self.app.call(request).await.map_err(other)?;
        let mut response: Response<BoxBody> = response.into();
        let terms = response.extensions_mut().remove::<Terms>();
        let patience = self.desk.settings.session.handshake_within;
        match timeout(patience, write(&mut http, response, terms.is_some())).await?? {
            () if terms.is_none() => {
                let _ = timeout(patience, part(http)).await;
                Ok(None)
            }
            () => Ok(terms.map(|terms| self.session(http, terms))),
        }
    }

    fn session(&self, http: Framed<TcpStream, Codec>, terms: Terms) -> Box<Running> {
        let parts = http.into_parts();
        let unread = BytesMut::from(&parts.read_buf[..]); // the buffer itself is larger and would stay
        Box::new(Session::on_socket(self.desk.clone(), terms, parts.io, unread))
    }
}

async fn write(
    http: &mut Framed<TcpStream, Codec>,
    response: Response<BoxBody>,
    admitted: bool,
) -> io::Result<()> {
    let (mut head, body) = response.into_parts();
    let size = if admitted { BodySize::Stream } else { body.size() };
    if !admitted {
        head.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    if admitted {
        return http.send(Message::Item((head, size))).await;
    }
    http.feed(Message::Item((head, size))).await?; // many libraries show only what comes along with the head
    let mut body = pin!(body);
    while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        http.feed(Message::Chunk(Some(chunk.map_err(other)?))).await?;
    }
    http.send(Message::Chunk(None)).await
}

/// Closes so that the refusal arrives: a socket that is dropped with unread bytes resets the connection.
async fn part(http: Framed<TcpStream, Codec>) -> io::Result<()> {
    let mut socket = http.into_parts().io;
    socket.shutdown().await?;
    let mut rest = [0; 512];
    while socket.read(&mut rest).await? > 0 {}
    Ok(())
}

/// As text: these errors cannot leave their thread, which `io::Error` wants to.
fn other(error: impl ToString) -> io::Error {
    io::Error::other(error.to_string())
}

fn broken() -> Error {
    ParseError::Header.into()
}
