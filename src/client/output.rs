//! Standard output, and the end of its reader.

use super::{Failure, escape::escaped, server_message::Message};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use std::{
    borrow::Cow,
    future::pending,
    io::{ErrorKind, IsTerminal, Write, stdout},
    thread,
};
use tokio::sync::oneshot;

/// Standard output, as text for a terminal or as bytes for another reader.
pub struct Output {
    is_terminal: bool,
}

/// The signal that the reader of standard output is gone.
pub struct ReaderGone;

impl Output {
    /// Detects if standard output is a terminal.
    pub fn new() -> Self {
        Self { is_terminal: stdout().is_terminal() }
    }

    /// Writes the message and a line feed; returns [`ReaderGone`] if the reader of standard output
    /// is gone.
    ///
    /// # Errors
    /// [`Failure::Output`] if standard output cannot be written for another reason.
    pub fn write(&self, message: &Message) -> Result<Result<(), ReaderGone>, Failure> {
        let content = content(message);
        let content = match self.is_terminal {
            true => Cow::Owned(escaped(&String::from_utf8_lossy(&content), &['\t', '\n']).into_bytes()),
            false => content,
        };
        let mut output = stdout().lock();
        let written = output.write_all(&content).and_then(|()| output.write_all(b"\n"));
        match written.and_then(|()| output.flush()) {
            Ok(()) => Ok(Ok(())),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Err(ReaderGone)),
            Err(error) => Err(Failure::Output(error)),
        }
    }
}

fn content(Message { text, base64, .. }: &Message) -> Cow<'_, [u8]> {
    match base64.as_ref().map(|base64| BASE64.decode(base64)) {
        Some(Ok(bytes)) => Cow::Owned(bytes),
        _ => Cow::Borrowed(text.as_deref().unwrap_or_default().as_bytes()),
    }
}

/// Resolves when the reader of standard output is gone, even if there is nothing to write. A thread
/// waits for that; it may wait until the process ends.
pub async fn reader_gone() {
    let (gone, when_gone) = oneshot::channel();
    let watch = move || {
        let output = stdout();
        // Poll always reports errors and hang-ups.
        let mut descriptors = [PollFd::new(&output, PollFlags::empty())];
        while poll(&mut descriptors, None) == Err(Errno::INTR) {}
        if !descriptors[0].revents().is_empty() {
            let _ = gone.send(()); // it fails only after the command has ended
        }
    };
    let watches = thread::Builder::new().name("stdout".to_owned()).spawn(watch).is_ok();
    if !watches || when_gone.await.is_err() {
        pending::<()>().await;
    }
}
