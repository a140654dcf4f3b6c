//! The command `listen`: writes every message of a room to standard output, each followed by a line
//! feed.

use super::{
    Address, Failure,
    connection::{Connection, Event},
    output::{Output, reader_gone},
    server_message::ServerMessage,
};

/// Prints the messages of a room until the reader of standard output is gone, even if no message
/// arrives.
///
/// # Errors
/// Returns the [`Failure`] that ended the command.
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
            Event::HistoryLost(messages) => {
                eprintln!("worldcast: messages that the server has lost: {messages}");
            }
            _ => {}
        }
    }
}
