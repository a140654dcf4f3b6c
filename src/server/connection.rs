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
    policy::SessionPolicy,
    relay::WorkerContext,
    session::{Handshake, Session},
    transport::Transport,
};
use actix_http::{KeepAlive, Request, Response, ServiceConfig, ServiceConfigBuilder, body::BoxBody};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, boxed, map_config};
use actix_web::{
    HttpResponse,
    dev::{AppConfig, ServiceResponse},
    web,
};
use futures_util::{FutureExt, future::LocalBoxFuture};
use log::Level;
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};
use tokio_util::sync::CancellationToken;

type App = boxed::RcService<Request, ServiceResponse, actix_web::Error>;

/// The state that the connections of one listener share on one thread.
pub struct ConnectionFactory {
    app: App,
    state: web::Data<http::AppState>,
    config: ServiceConfig,
    worker: Rc<WorkerContext>,
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
        let app = map_config(http::app(context.state.clone(), listener), |()| AppConfig::default());
        let app = boxed::rc_service(app.into_factory().new_service(()).await?);
        let keep_alive = KeepAlive::Timeout(worker.shared.policy.load().session.handshake_within);
        let config = ServiceConfigBuilder::new().keep_alive(keep_alive).build();
        Ok(Self { app, state: context.state.clone(), config, worker, closing: context.closing.clone() })
    }

    /// Returns the task that serves a new connection.
    pub fn accept(self: &Rc<Self>, transport: Transport, peer: Option<SocketAddr>) -> ConnectionTask {
        ConnectionTask(Box::pin(self.clone().serve(transport, peer)))
    }

    /// Handles one request after the other, until one of them turns the connection into a session.
    async fn serve(self: Rc<Self>, transport: Transport, peer: Option<SocketAddr>) -> NextStep {
        let mut exchange = Exchange::new(transport, self.config.clone());
        loop {
            let limits = self.worker.shared.policy.load().session; // of one request and its response
            let Some(request) = self.next_request(&mut exchange, &limits, peer).await? else { break };
            let response = self.app.call(request).await.map_err(to_io_error)?;
            let mut response: Response<BoxBody> = response.into();
            let handshake = response.extensions_mut().remove::<Handshake>();
            if let Some(handshake) = handshake {
                exchange.admit(response, &limits).await?;
                let (transport, unread) = exchange.into_parts()?;
                let session = Session::on_transport(self.worker.clone(), handshake, transport, unread);
                return Ok(Some(ConnectionTask::ends_with(session)));
            }
            let may_persist = !self.closing.is_cancelled();
            if !self.respond(&mut exchange, response, may_persist, &limits, peer).await? {
                break;
            }
        }
        Ok(None)
    }

    /// Writes a response; returns true if the connection accepts another request.
    async fn respond(
        &self,
        exchange: &mut Exchange,
        response: Response<BoxBody>,
        may_persist: bool,
        limits: &SessionPolicy,
        peer: Option<SocketAddr>,
    ) -> io::Result<bool> {
        let responded = exchange.respond(response, may_persist, limits).await;
        if responded.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            self.worker.shared.metrics.responses_cut.inc();
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
        let asked = http::Asked { peer, method, path, is_handshake };
        http::refuse(&self.state, &asked, refusal).map_into_boxed_body()
    }

    /// Returns the next valid request. An invalid one is refused here, and ends the connection.
    async fn next_request(
        &self,
        exchange: &mut Exchange,
        limits: &SessionPolicy,
        peer: Option<SocketAddr>,
    ) -> io::Result<Option<Request>> {
        let next = if exchange.is_idle() {
            tokio::select! {
                biased;
                next = exchange.next(limits) => next,
                () = self.closing.cancelled() => Ok(Received::End),
                () = self.worker.shared.limits.descriptors.run_short() => Ok(Received::End),
            }
        } else {
            exchange.next(limits).await
        };
        match next? {
            Received::Request(mut request) => {
                request.head_mut().peer_addr = peer;
                Ok(Some(request))
            }
            Received::Refused(refusal) => {
                let response = self.refuse(&exchange.received(), peer, &refusal);
                self.respond(exchange, response.into(), false, limits, peer).await?;
                Ok(None)
            }
            Received::End => Ok(None),
        }
    }
}
