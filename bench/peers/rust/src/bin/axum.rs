//! axum on tokio-tungstenite: a broadcast channel for each room, as in axum's own chat example.

use axum::{
    Router,
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
    routing::any,
};
use futures_util::{SinkExt, StreamExt};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use tokio::{net::TcpListener, sync::broadcast};

type Room = broadcast::Sender<Message>;
type Rooms = Arc<Mutex<HashMap<String, Room>>>;

#[tokio::main]
async fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("a port");
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
    let app = Router::new().route("/{room}", any(upgrade)).with_state(Rooms::default());
    axum::serve(listener, app).await.expect("the server runs until it is killed");
}

async fn upgrade(
    request: WebSocketUpgrade,
    Path(room): Path<String>,
    State(rooms): State<Rooms>,
) -> Response {
    let room = rooms.lock().expect("no panic").entry(room).or_insert_with(|| Room::new(1024)).clone();
    request.on_upgrade(|socket| relay(socket, room))
}

async fn relay(socket: WebSocket, room: Room) {
    let (mut sink, mut stream) = socket.split();
    let mut published = room.subscribe();
    let listening = tokio::spawn(async move {
        while let Ok(message) = published.recv().await {
            if sink.send(message).await.is_err() {
                return;
            }
        }
    });
    while let Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) = stream.next().await {
        let _ = room.send(message);
    }
    listening.abort();
}
