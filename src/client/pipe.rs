//! The command `pipe`: publishes each line of standard input as a message in a room.
//!
//! The connection asks for its own messages (echo). A line is confirmed when it comes back; after a
//! lost connection, lines that did not come back are published again, in order.

use super::{
    Address, Failure,
    connection::{Connection, Event},
    server_message::ServerMessage,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;
use std::{collections::VecDeque, io};
use tokio::io::{AsyncBufReadExt, BufReader, Stdin, stdin};
use worldcast::config::ByteSize;

/// Lines that may be unconfirmed, inclusive; at the bound standard input is not read.
const MAX_UNCONFIRMED: usize = 64;

/// A request whose answer shows that all earlier messages of the room have been received.
const BARRIER: &str = r#"{"type":"presence"}"#;

/// Publishes standard input in a room; returns when every line is confirmed.
///
/// # Errors
/// [`Failure::LineTooLong`] once all lines before the first one of more than `max_line` bytes are
/// confirmed, or the [`Failure`] that ended the connection or the input.
pub async fn pipe(address: Address, max_line: ByteSize) -> Result<(), Failure> {
    let mut pipe = Pipe {
        connection: Connection::new(address),
        unconfirmed: VecDeque::new(),
        caught_up: false,
        input: BufReader::new(stdin()),
        line: Vec::new(),
        number: 0,
        max_line,
        too_long: false,
        ended: false,
    };
    while !pipe.ended || !pipe.unconfirmed.is_empty() {
        pipe.step().await?;
    }
    pipe.connection.close().await;
    match pipe.too_long {
        true => Err(Failure::LineTooLong { number: pipe.number + 1, max: max_line }),
        false => Ok(()),
    }
}

struct Pipe {
    connection: Connection,
    /// Requests that have not come back as messages.
    unconfirmed: VecDeque<String>,
    /// True once all messages that came back before the connection was lost have been received.
    caught_up: bool,
    input: BufReader<Stdin>,
    /// The beginning of the next line.
    line: Vec<u8>,
    /// Lines that have been read.
    number: u64,
    max_line: ByteSize,
    /// True once a line was too long; nothing after it is read.
    too_long: bool,
    /// True once no more input is read.
    ended: bool,
}

/// The outcome of reading a line.
enum Read {
    Line,
    TooLong,
    End,
}

impl Pipe {
    async fn step(&mut self) -> Result<(), Failure> {
        // `next` is not cancel-safe while it connects, so nothing else is awaited then.
        let may_read = self.connection.is_open()
            && self.caught_up
            && !self.ended
            && self.unconfirmed.len() < MAX_UNCONFIRMED;
        tokio::select! {
            event = self.connection.next() => match event? {
                Event::Message(message) => self.on_message(message)?,
                Event::Lost => {}
            },
            read = read_line(&mut self.input, &mut self.line, self.max_line), if may_read => {
                match read.map_err(Failure::Input)? {
                    Read::Line => self.publish(),
                    Read::TooLong => (self.ended, self.too_long) = (true, true),
                    Read::End => {
                        self.ended = true;
                        if !self.line.is_empty() {
                            self.publish();
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn on_message(&mut self, message: ServerMessage) -> Result<(), Failure> {
        match message {
            ServerMessage::Welcome(welcome) => {
                if !welcome.recovered && !self.unconfirmed.is_empty() {
                    eprintln!(
                        "worldcast: the connection was lost for too long: some lines may be published twice"
                    );
                }
                self.caught_up = false;
                self.connection.send(BARRIER);
            }
            ServerMessage::Message(message) if self.connection.is_ours(message.who.as_deref()) => {
                drop(self.unconfirmed.pop_front());
            }
            ServerMessage::Presence {} if !self.caught_up => {
                self.caught_up = true;
                for request in &self.unconfirmed {
                    self.connection.send(request);
                }
            }
            ServerMessage::Error { message } => return Err(Failure::refused(&message)),
            _ => {}
        }
        Ok(())
    }

    /// Publishes the line that has been read.
    fn publish(&mut self) {
        self.number += 1;
        let mut line = std::mem::take(&mut self.line);
        if line.ends_with(b"\n") {
            line.pop();
        }
        let request = match String::from_utf8(line) {
            Ok(text) => json!({"type": "publish", "text": text}),
            Err(error) => json!({"type": "publish", "base64": BASE64.encode(error.as_bytes())}),
        };
        let request = request.to_string();
        self.connection.send(&request);
        self.unconfirmed.push_back(request);
    }
}

/// Reads up to the next line feed, and at most `max` bytes before it. Cancel-safe.
async fn read_line(input: &mut BufReader<Stdin>, line: &mut Vec<u8>, max: ByteSize) -> io::Result<Read> {
    loop {
        let buffer = input.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(Read::End);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let content = end.unwrap_or(buffer.len());
        if line.len() + content > max.bytes() {
            return Ok(Read::TooLong);
        }
        let read = content + usize::from(end.is_some());
        line.extend_from_slice(&buffer[..read]);
        input.consume(read);
        if end.is_some() {
            return Ok(Read::Line);
        }
    }
}
