//! A room to standard output: every message and a line feed.

use super::{
    Address, Failure,
    connection::Connection,
    told::{Message, Told},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use std::io::{Write, stdout};

/// Ends when nobody reads standard output any more.
pub async fn listen(address: Address) -> Result<(), Failure> {
    let mut connection = Connection::new(address);
    loop {
        match connection.next().await? {
            Told::Message(message) if write(&message).is_err() => return Ok(()),
            Told::Welcome(welcome) if !welcome.recovered => {
                eprintln!("worldcast: the connection was lost for too long: messages are missing here");
            }
            _ => {}
        }
    }
}

fn write(Message { text, base64, .. }: &Message) -> std::io::Result<()> {
    let mut output = stdout().lock();
    match base64.as_ref().map(|base64| BASE64.decode(base64)) {
        Some(Ok(bytes)) => output.write_all(&bytes)?,
        _ => output.write_all(text.as_deref().unwrap_or_default().as_bytes())?,
    }
    output.write_all(b"\n")?;
    output.flush()
}
