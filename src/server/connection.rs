//! The life of a connection, from its first request to a session or to its end.
//!
//! One `App` judges all requests. An admitted client of a WebSocket or of an event stream becomes a
//! session that owns its socket; any other response is written, and the connection accepts another
//! request.

use super::{
    context::ServerContext,
    exchange::{Exchange, Received, to_io_error},
    head,
};
use crate::{
    http,
    logging::{Subject, log_client},
    relay::WorkerContext,
    session::{Handshake, Session},
    shared::Shared,
    transport::Transport,
};
use actix_http::{KeepAlive, Request, Response, ServiceConfig, ServiceConfigBuilder, body::BoxBody};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, boxed, map_config};
use actix_web::{
    HttpResponse,
    dev::{AppConfig, ServiceRequest, ServiceResponse},
    web,
};
use futures_util::{FutureExt, future::LocalBoxFuture};
use log::Level;
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;

type App = boxed::RcService<Request, ServiceResponse, actix_web::Error>;

/// The state that the connections of one listener share on one thread.
pub struct ConnectionFactory {
    http: HttpService,
    worker: Rc<WorkerContext>,
}

/// An `App`, and the state that the connections to it share on one thread.
pub struct HttpService {
    app: App,
    state: web::Data<http::AppState>,
    config: ServiceConfig,
    shared: Arc<Shared>,
    /// Cancelled at shutdown: then no connection waits for another request.
    closing: CancellationToken,
}

/// A connection from its first request to its end: each step is a future that is freed before the
/// next begins. Its size matters, since one is kept for every idle session.
pub struct ConnectionTask(LocalBoxFuture<'static, NextStep>);

/// The next step; `None` at the end of the connection, an error where it broke.
type NextStep = io::Result<Option<ConnectionTask>>;

impl ConnectionTask {
    fn ends_with(last: impl Future + 'static) -> Self {
        Self(Box::pin(last.map(|_| Ok(None))))
    }
}

impl Future for ConnectionTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while let Ok(Some(next)) = ready!(self.0.as_mut().poll(cx)) {
            *self = next;
        }
        Poll::Ready(())
    }
}

impl ConnectionFactory {
    /// Builds the `App` for connections of `listener`.
    ///
    /// # Errors
    /// Fails if the `App` cannot start; it needs nothing for that.
    pub async fn new(
        context: &ServerContext,
        worker: Rc<WorkerContext>,
        listener: SocketAddr,
    ) -> Result<Self, ()> {
        let app = http::app(context.state.clone(), listener);
        Ok(Self { http: HttpService::new(app, context, context.closing.clone()).await?, worker })
    }

    /// Returns the task that serves a new connection.
    pub fn accept(self: &Rc<Self>, transport: Transport, peer: Option<SocketAddr>) -> ConnectionTask {
        ConnectionTask(Box::pin(self.clone().serve(transport, peer)))
    }

    /// Handles one request after the other, until one of them turns the connection into a session.
    async fn serve(self: Rc<Self>, transport: Transport, peer: Option<SocketAddr>) -> NextStep {
        let mut exchange = self.http.exchange(transport);
        while let Some(request) = self.http.next_request(&mut exchange, peer).await? {
            let mut response = self.http.call(request).await?;
            let handshake = response.extensions_mut().remove::<Handshake>();
            if let Some(handshake) = handshake {
                let limits = self.worker.shared.policy.load().session;
                exchange.admit(response, &limits).await?;
                let (transport, unread) = exchange.into_parts()?;
                let session = Session::on_transport(self.worker.clone(), handshake, transport, unread);
                return Ok(Some(ConnectionTask::ends_with(session)));
            }
            if !self.http.respond(&mut exchange, response, peer).await? {
                break;
            }
        }
        Ok(None)
    }
}

impl HttpService {
    /// Builds `app`, whose connections end after `closing`.
    ///
    /// # Errors
    /// Fails if the `App` cannot start; it needs nothing for that.
    pub async fn new<F>(
        app: actix_web::App<F>,
        context: &ServerContext,
        closing: CancellationToken,
    ) -> Result<Self, ()>
    where
        F: http::AppEntry<Service: Service<ServiceRequest, Future: 'static> + 'static, Future: 'static>
            + 'static,
    {
        let app = map_config(app, |()| AppConfig::default());
        let app = boxed::rc_service(app.into_factory().new_service(()).await?);
        let (shared, state) = (context.shared.clone(), context.state.clone());
        let keep_alive = KeepAlive::Timeout(shared.policy.load().session.handshake_within);
        let config = ServiceConfigBuilder::new().keep_alive(keep_alive).build();
        Ok(Self { app, state, config, shared, closing })
    }

    /// Returns the exchange of requests and responses on a new connection.
    pub fn exchange(&self, transport: Transport) -> Exchange {
        Exchange::new(transport, self.config.clone())
    }

    /// Lets the `App` handle a request.
    ///
    /// # Errors
    /// That of a handler which has failed without a response.
    pub async fn call(&self, request: Request) -> io::Result<Response<BoxBody>> {
        Ok(self.app.call(request).await.map_err(to_io_error)?.into())
    }

    /// Writes the response to a request; returns true if the connection accepts another request.
    ///
    /// # Errors
    /// As [`Exchange::respond`].
    pub async fn respond(
        &self,
        exchange: &mut Exchange,
        response: Response<BoxBody>,
        peer: Option<SocketAddr>,
    ) -> io::Result<bool> {
        self.write(exchange, response, !self.closing.is_cancelled(), peer).await
    }

    async fn write(
        &self,
        exchange: &mut Exchange,
        response: Response<BoxBody>,
        may_persist: bool,
        peer: Option<SocketAddr>,
    ) -> io::Result<bool> {
        let limits = self.shared.policy.load().session;
        let responded = exchange.respond(response, may_persist, &limits).await;
        if responded.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            self.shared.metrics.responses_cut.inc();
            log_client!(
                peer,
                Level::Debug,
                "reset: the client read a response too slowly\t{}",
                Subject::request(peer, None)
            );
        }
        responded
    }

    /// Returns the response to a head that is no valid request.
    fn refuse(
        &self,
        head: &[u8],
        peer: Option<SocketAddr>,
        refusal: &http::Refusal,
    ) -> HttpResponse<BoxBody> {
        let (method, path) = head::request_line(head);
        let is_handshake = head::asks_for_websocket(head);
        let asked = http::RequestSummary { peer, method, path, is_handshake };
        http::refuse(&self.state, &asked, refusal).map_into_boxed_body()
    }

    /// Returns the next valid request; `None` at the end of the connection. An invalid request is
    /// refused here, and ends the connection. A pipelined one waits until other connections of this
    /// thread have had their turn: a client cannot be served many times in a row.
    ///
    /// # Errors
    /// Those of the socket, and `TimedOut` if the client reads a refusal too slowly.
    pub async fn next_request(
        &self,
        exchange: &mut Exchange,
        peer: Option<SocketAddr>,
    ) -> io::Result<Option<Request>> {
        let limits = self.shared.policy.load().session;
        let next = if exchange.is_idle() {
            tokio::select! {
                biased;
                next = exchange.next(&limits) => next,
                () = self.closing.cancelled() => Ok(Received::End),
                () = self.shared.limits.descriptors.run_short() => Ok(Received::End),
            }
        } else {
            exchange.next(&limits).await
        };
        match next? {
            Received::Request(mut request) => {
                request.head_mut().peer_addr = peer;
                if exchange.is_pipelined() {
                    yield_now().await;
                }
                Ok(Some(request))
            }
            Received::Refused(refusal) => {
                let response = self.refuse(&exchange.received(), peer, &refusal);
                self.write(exchange, response.into(), false, peer).await?;
                Ok(None)
            }
            Received::End => Ok(None),
        }
    }
}
