//! The server's `App` alone: requests in, answers out, without a socket.

use actix::{Actor, Arbiter};
use actix_rt::ArbiterHandle;
use actix_web::{
    body::to_bytes,
    dev::{Service, ServiceResponse},
    http::{
        StatusCode,
        header::{HOST, HeaderMap, HeaderValue},
    },
    test::{TestRequest, init_service},
    web,
};
use serde_json::Value;
use worldcast::{config::Settings, http, hub::Hub, limits::Descriptors, shared::Shared};

/// A whole answer.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// A valid opening handshake (the key of RFC 6455 §1.3).
pub fn upgrade(path: &str) -> TestRequest {
    TestRequest::get()
        .uri(path)
        .insert_header(("Host", "localhost:8080"))
        .insert_header(("Upgrade", "websocket"))
        .insert_header(("Connection", "keep-alive, Upgrade"))
        .insert_header(("Sec-WebSocket-Key", testing::KEY))
        .insert_header(("Sec-WebSocket-Version", "13"))
}

/// The answer of a server with the default settings.
pub async fn answer(request: TestRequest) -> Answer {
    answer_with(|_| (), request).await
}

/// The answer of a server with these settings.
pub async fn answer_with(adjust: impl FnOnce(&mut Settings), request: TestRequest) -> Answer {
    let thread = Arbiter::new(); // apart, for a hub outlives no panic
    let answer = answer_of(adjust, request, &thread.handle(), || ()).await;
    thread.stop();
    answer
}

/// The answer of a server whose hub has stopped.
pub async fn answer_while_stopping(request: TestRequest) -> Answer {
    let thread = Arbiter::new();
    let handle = thread.handle();
    let stop = || {
        thread.stop();
        thread.join().expect("the thread of the hub ends");
    };
    answer_of(|_| (), request, &handle, stop).await
}

async fn answer_of(
    adjust: impl FnOnce(&mut Settings),
    request: TestRequest,
    thread: &ArbiterHandle,
    before: impl FnOnce(),
) -> Answer {
    let mut settings = Settings::default();
    adjust(&mut settings);
    let shared = Shared::new(&settings, Descriptors::raise_limit(1));
    let hub = Hub::new(shared.policy.load_full(), shared.metrics.clone());
    let hub = Hub::start_in_arbiter(thread, |_| hub);
    let listener = shared.startup.listen[0];
    let context = http::AppState::new(shared, hub, &[listener]);
    let app = init_service(http::app(web::Data::new(context), listener)).await;
    let mut request = request.to_request();
    let headers = &mut request.head_mut().headers;
    if !headers.contains_key("Host") && !headers.contains_key("Upgrade") {
        headers.insert(HOST, HeaderValue::from_static("localhost:8080"));
    }
    before();
    let answer: ServiceResponse = app.call(request).await.expect("an answer");

    let (head, body) = answer.into_parts().1.into_parts();
    let (status, headers) = (head.status(), head.headers().clone());
    Answer { status, headers, body: to_bytes(body).await.expect("a body").to_vec() }
}

impl Answer {
    /// The header of this name, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The status, the code that programs rely on, and the sentence for people.
    pub fn refusal(&self) -> (u16, String, String) {
        assert_eq!(self.header("content-type"), "application/json");
        let body: Value = serde_json::from_slice(&self.body).expect("JSON");
        let text = |key: &str| body[key].as_str().expect(key).to_owned();
        (self.status.as_u16(), text("error"), text("message"))
    }
}
