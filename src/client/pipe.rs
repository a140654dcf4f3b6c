//! The command `pipe`: publishes each line of standard input as a message in a room.
//!
//! The connection asks for its own messages (echo). A line is confirmed when it comes back; after a
//! lost connection, lines that did not come back are published again, in order.
//!
//! A line that the server itself could not confirm may still be published. It is reported, and not
//! published again: over WebSocket nothing tells a repetition from another line.

use super::{
    Address, Failure,
    connection::{Connection, Event},
    server_message::{Message, RequestError, ServerMessage},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;
use std::{collections::VecDeque, io};
use tokio::io::{AsyncBufReadExt, BufReader, Stdin, stdin};
use worldcast::config::ByteSize;

/// Lines that may be unconfirmed, inclusive; at the bound standard input is not read.
const MAX_UNCONFIRMED: usize = 64;

/// Lines that the server could not confirm and that may still come back, inclusive; the oldest is
/// forgotten.
const MAX_DOUBTFUL: usize = 64;

/// A request whose answer shows that all earlier messages of the room have been received.
const BARRIER: &str = r#"{"type":"presence"}"#;

/// Publishes standard input in a room; returns when every line is confirmed.
///
/// # Errors
/// [`Failure::LineTooLong`] once all lines before the first one of more than `max_line` bytes are
/// confirmed, [`Failure::Unconfirmed`] at the end of the input, or the [`Failure`] that ended the
/// connection or the input.
pub async fn pipe(address: Address, max_line: ByteSize) -> Result<(), Failure> {
    let mut pipe = Pipe {
        connection: Connection::new(address),
        unconfirmed: VecDeque::new(),
        doubtful: VecDeque::new(),
        doubted: 0,
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
    match (pipe.too_long, pipe.doubted) {
        (true, _) => Err(Failure::LineTooLong { number: pipe.number + 1, max: max_line }),
        (false, 0) => Ok(()),
        (false, lines) => Err(Failure::Unconfirmed(lines)),
    }
}

struct Pipe {
    connection: Connection,
    /// Lines that have not come back as messages.
    unconfirmed: VecDeque<Line>,
    /// Lines that the server could not confirm, and that may still come back.
    doubtful: VecDeque<Line>,
    /// The number of all lines that the server could not confirm and that did not come back.
    doubted: u64,
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

/// A line that is published.
struct Line {
    /// Its number in the input, from 1, which is also the `ref` of its request.
    number: u64,
    content: Content,
}

#[derive(PartialEq)]
enum Content {
    Text(String),
    /// A line that is not UTF-8.
    Base64(String),
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
                Event::HistoryLost(messages) => eprintln!(
                    "worldcast: messages that the server has lost: {messages}; lines \
                     that were confirmed may be among them"
                ),
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
                self.confirm(message);
            }
            ServerMessage::Presence {} if !self.caught_up => {
                self.caught_up = true;
                for line in &self.unconfirmed {
                    self.connection.send(&line.request());
                }
            }
            ServerMessage::Error(error) => match number_of(&error) {
                Some(number) => self.doubt(number),
                None => return Err(Failure::refused(&error.message)),
            },
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
        let content = match String::from_utf8(line) {
            Ok(text) => Content::Text(text),
            Err(error) => Content::Base64(BASE64.encode(error.as_bytes())),
        };
        let line = Line { number: self.number, content };
        self.connection.send(&line.request());
        self.unconfirmed.push_back(line);
    }

    /// Confirms the line that has come back: the first unconfirmed one, or one in doubt. Lines of
    /// the same content may stand for each other.
    fn confirm(&mut self, message: Message) {
        if self.doubtful.is_empty() {
            return drop(self.unconfirmed.pop_front());
        }
        let content = message.text.map(Content::Text).or(message.base64.map(Content::Base64));
        let is_it = |line: &Line| Some(&line.content) == content.as_ref();
        match self.doubtful.iter().position(is_it) {
            Some(at) if !self.unconfirmed.front().is_some_and(is_it) => {
                self.doubtful.remove(at);
                self.doubted -= 1;
            }
            _ => drop(self.unconfirmed.pop_front()),
        }
    }

    /// Reports a line that the server could not confirm.
    fn doubt(&mut self, number: u64) {
        let Some(at) = self.unconfirmed.iter().position(|line| line.number == number) else { return };
        eprintln!("worldcast: line {number} was not confirmed; it may be published or not");
        self.doubted += 1;
        if self.doubtful.len() == MAX_DOUBTFUL {
            self.doubtful.pop_front();
        }
        self.doubtful.extend(self.unconfirmed.remove(at));
    }
}

impl Line {
    fn request(&self) -> String {
        let (name, content) = match &self.content {
            Content::Text(text) => ("text", text),
            Content::Base64(base64) => ("base64", base64),
        };
        json!({"type": "publish", "ref": self.number.to_string(), name: content}).to_string()
    }
}

/// Returns the number of the line that `error` does not confirm; `None` for another error.
fn number_of(RequestError { reference, code, .. }: &RequestError) -> Option<u64> {
    let reference = reference.as_ref().filter(|_| code == RequestError::UNCONFIRMED)?;
    reference.as_str()?.parse().ok()
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
