//! Standard input to a room, each line a message.
//!
//! We hear ourselves: a line has arrived when it comes back, and after a lost connection what did not come back is
//! said again, in order.

use super::{Address, Failure, connection::Connection, told::Told};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;
use std::collections::VecDeque;
use tokio::io::{AsyncBufReadExt, BufReader, Stdin, stdin};

/// Lines under way; standard input is not read beyond them.
const MOST_UNHEARD: usize = 64;

/// Asked to know that everything that was said before has been heard.
const QUESTION: &str = r#"{"type":"presence"}"#;

/// Ends when every line of standard input has arrived.
pub async fn pipe(address: Address) -> Result<(), Failure> {
    let mut pipe = Pipe {
        connection: Connection::new(address),
        unheard: VecDeque::new(),
        caught_up: false,
        input: BufReader::new(stdin()),
        line: Vec::new(),
        ended: false,
    };
    while !pipe.ended || !pipe.unheard.is_empty() {
        pipe.step().await?;
    }
    pipe.connection.close().await;
    Ok(())
}

struct Pipe {
    connection: Connection,
    /// Requests that have not come back as messages.
    unheard: VecDeque<String>,
    /// Whether what came back before the connection was lost has been heard.
    caught_up: bool,
    input: BufReader<Stdin>,
    /// What has come of the next line.
    line: Vec<u8>,
    ended: bool,
}

impl Pipe {
    async fn step(&mut self) -> Result<(), Failure> {
        let may_read = self.caught_up && !self.ended && self.unheard.len() < MOST_UNHEARD;
        tokio::select! {
            told = self.connection.next() => self.hear(told?).await,
            read = self.input.read_until(b'\n', &mut self.line), if may_read => {
                self.ended = read.map_err(Failure::Input)? == 0;
                if !self.ended || !self.line.is_empty() {
                    self.say().await;
                }
                Ok(())
            }
        }
    }

    async fn hear(&mut self, told: Told) -> Result<(), Failure> {
        match told {
            Told::Welcome(welcome) => {
                if !welcome.recovered && !self.unheard.is_empty() {
                    eprintln!(
                        "worldcast: the connection was lost for too long: some lines may be said twice"
                    );
                }
                self.caught_up = false;
                self.connection.say(QUESTION).await;
            }
            Told::Message(message) if self.connection.is_ours(message.who) => drop(self.unheard.pop_front()),
            Told::Presence {} if !self.caught_up => {
                self.caught_up = true;
                for request in &self.unheard {
                    self.connection.say(request).await;
                }
            }
            Told::Error { message } => return Err(Failure::Refused(message)),
            _ => {}
        }
        Ok(())
    }

    async fn say(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        if line.ends_with(b"\n") {
            line.pop();
        }
        let request = match String::from_utf8(line) {
            Ok(text) => json!({"type": "publish", "text": text}),
            Err(error) => json!({"type": "publish", "base64": BASE64.encode(error.as_bytes())}),
        };
        let request = request.to_string();
        self.connection.say(&request).await;
        self.unheard.push_back(request);
    }
}
