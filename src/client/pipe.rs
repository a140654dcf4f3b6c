//! Standard input to a room, each line a message.
//!
//! We hear ourselves: a line has arrived when it comes back, and after a lost connection what did not come back is
//! said again, in order.

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

/// Lines under way; standard input is not read beyond them.
const MAX_UNHEARD: usize = 64;

/// Asked to know that everything that was said before has been heard.
const QUESTION: &str = r#"{"type":"presence"}"#;

/// Ends when every line of standard input has arrived, or those before the first that is longer than `max_line`.
pub async fn pipe(address: Address, max_line: ByteSize) -> Result<(), Failure> {
    let mut pipe = Pipe {
        connection: Connection::new(address),
        unheard: VecDeque::new(),
        caught_up: false,
        input: BufReader::new(stdin()),
        line: Vec::new(),
        number: 0,
        max_line,
        too_long: false,
        ended: false,
    };
    while !pipe.ended || !pipe.unheard.is_empty() {
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
    unheard: VecDeque<String>,
    /// Whether what came back before the connection was lost has been heard.
    caught_up: bool,
    input: BufReader<Stdin>,
    /// The beginning of the next line.
    line: Vec<u8>,
    /// Lines that have been read.
    number: u64,
    max_line: ByteSize,
    /// True once a line was too long; nothing behind it is read.
    too_long: bool,
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
        // While it connects nothing else may win, which would cut the attempt short.
        let may_read =
            self.connection.is_open() && self.caught_up && !self.ended && self.unheard.len() < MAX_UNHEARD;
        tokio::select! {
            event = self.connection.next() => match event? {
                Event::Message(message) => self.hear(message)?,
                Event::Lost => {}
            },
            read = read_line(&mut self.input, &mut self.line, self.max_line), if may_read => {
                match read.map_err(Failure::Input)? {
                    Read::Line => self.say(),
                    Read::TooLong => (self.ended, self.too_long) = (true, true),
                    Read::End => {
                        self.ended = true;
                        if !self.line.is_empty() {
                            self.say();
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self, message: ServerMessage) -> Result<(), Failure> {
        match message {
            ServerMessage::Welcome(welcome) => {
                if !welcome.recovered && !self.unheard.is_empty() {
                    eprintln!(
                        "worldcast: the connection was lost for too long: some lines may be said twice"
                    );
                }
                self.caught_up = false;
                self.connection.say(QUESTION);
            }
            ServerMessage::Message(message) if self.connection.is_ours(message.who.as_deref()) => {
                drop(self.unheard.pop_front());
            }
            ServerMessage::Presence {} if !self.caught_up => {
                self.caught_up = true;
                for request in &self.unheard {
                    self.connection.say(request);
                }
            }
            ServerMessage::Error { message } => return Err(Failure::refused(&message)),
            _ => {}
        }
        Ok(())
    }

    fn say(&mut self) {
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
        self.connection.say(&request);
        self.unheard.push_back(request);
    }
}

/// Reads up to the next line feed, and no more than `max` bytes in front of it. Cancel-safe.
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
