//! A room to standard output: every message and a line feed.

use super::{
    Address, Failure,
    connection::{Connection, Event},
    output::{Output, reader_gone},
    server_message::ServerMessage,
};

/// Ends when nobody reads standard output any more, even if nothing is said.
pub async fn listen(address: Address) -> Result<(), Failure> {
    tokio::select! {
        ended = print_messages(Connection::new(address)) => ended,
        () = reader_gone() => Ok(()),
    }
}

async fn print_messages(mut connection: Connection) -> Result<(), Failure> {
    let output = Output::new();
    loop {
        match connection.next().await? {
            Event::Message(ServerMessage::Message(message)) if output.write(&message)?.is_err() => {
                return Ok(());
            }
            Event::Message(ServerMessage::Welcome(welcome)) if !welcome.recovered => {
                eprintln!("worldcast: the connection was lost for too long: messages are missing here");
            }
            _ => {}
        }
    }
}
