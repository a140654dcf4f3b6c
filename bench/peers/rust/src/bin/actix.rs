//! The textbook chat of actix: a session actor for each client on `WebsocketContext`, and a room
//! actor that sends each of them its own copy.

use actix::prelude::*;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_web_actors::ws;
use std::collections::HashMap;

#[derive(Message, Clone)]
#[rtype(result = "()")]
struct Deliver(String);

#[derive(Message)]
#[rtype(result = "()")]
struct Publish {
    room: String,
    text: String,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Join {
    room: String,
    session: Recipient<Deliver>,
}

#[derive(Default)]
struct Chat {
    rooms: HashMap<String, Vec<Recipient<Deliver>>>,
}

impl Actor for Chat {
    type Context = Context<Self>;
}

impl Handler<Join> for Chat {
    type Result = ();

    fn handle(&mut self, Join { room, session }: Join, _: &mut Self::Context) {
        self.rooms.entry(room).or_default().push(session);
    }
}

impl Handler<Publish> for Chat {
    type Result = ();

    fn handle(&mut self, Publish { room, text }: Publish, _: &mut Self::Context) {
        for session in self.rooms.get(&room).into_iter().flatten() {
            session.do_send(Deliver(text.clone()));
        }
    }
}

struct Session {
    room: String,
    chat: Addr<Chat>,
}

impl Actor for Session {
    type Context = ws::WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.chat.do_send(Join { room: self.room.clone(), session: ctx.address().recipient() });
    }
}

impl Handler<Deliver> for Session {
    type Result = ();

    fn handle(&mut self, Deliver(text): Deliver, ctx: &mut Self::Context) {
        ctx.text(text);
    }
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for Session {
    fn handle(&mut self, message: Result<ws::Message, ws::ProtocolError>, ctx: &mut Self::Context) {
        match message {
            Ok(ws::Message::Text(text)) => {
                self.chat.do_send(Publish { room: self.room.clone(), text: text.into() })
            }
            Ok(ws::Message::Ping(payload)) => ctx.pong(&payload),
            Ok(_) => {}
            Err(_) => ctx.stop(),
        }
    }
}

async fn upgrade(
    request: HttpRequest,
    stream: web::Payload,
    room: web::Path<String>,
    chat: web::Data<Addr<Chat>>,
) -> actix_web::Result<HttpResponse> {
    let session = Session { room: room.into_inner(), chat: chat.get_ref().clone() };
    ws::start(session, &request, stream)
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("a port");
    let chat = web::Data::new(Chat::default().start());
    let app = move || App::new().app_data(chat.clone()).route("/{room}", web::get().to(upgrade));
    HttpServer::new(app).workers(1).backlog(4096).bind(("127.0.0.1", port))?.run().await
}
