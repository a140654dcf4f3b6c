//! The head of a request as bytes: its end, and the headers that decide about the connection.
//!
//! A header counts only by its value: `Content-Length: 0` announces no body, and an `Upgrade` to a
//! protocol that the server does not speak is ignored (RFC 9110 §7.8).

use crate::http::{Refusal, list_has};
use bytes::{Buf, BytesMut};
use std::ops::Range;

/// The most headers of one request, inclusive; actix-http accepts no more.
pub const MAX_HEADERS: usize = 96;

/// The search for the end of a head, in time linear in its length.
#[derive(Default)]
pub struct Search {
    /// Bytes that contain no end.
    searched: usize,
    /// The length at the last attempt to parse an incomplete head.
    tried: usize,
}

/// A complete head at the beginning of the received bytes.
#[derive(Debug, Default, PartialEq)]
pub struct Head {
    /// GET with `websocket` in its `Upgrade` list: an attempt at a handshake, valid or not.
    pub asks_for_websocket: bool,
    /// The lines that ask for an upgrade, in order.
    upgrades: Vec<Range<usize>>,
}

impl Search {
    /// Finds the head at the beginning of `received`; `None` while more bytes are needed. Removes
    /// empty lines in front of it (RFC 9112 §2.2).
    ///
    /// # Errors
    /// [`Refusal::HeadTooLarge`] if it has more than `most` bytes, [`Refusal::Request`] or
    /// [`Refusal::TooManyHeaders`] if it cannot become a request, as far as that shows here: its
    /// lines are checked when it is decoded.
    pub fn find(&mut self, received: &mut BytesMut, most: usize) -> Result<Option<Head>, Refusal> {
        if self.searched == 0 {
            let empty = received.iter().take_while(|byte| b"\r\n".contains(byte)).count();
            received.advance(empty);
        }
        let begin = self.searched.saturating_sub(2);
        let length = end_of_head(&received[begin..]).map(|end| begin + end);
        self.searched = received.len();
        match length {
            Some(length) if length <= most => return Head::read(&received[..length]).map(Some),
            None if received.len() <= most => {}
            _ => return Err(Refusal::HeadTooLarge(most)),
        }
        if received.len() >= self.tried.max(1) * 2 {
            self.tried = received.len();
            can_become_request(received)?;
        }
        Ok(None)
    }
}

impl Head {
    fn read(head: &[u8]) -> Result<Self, Refusal> {
        let (mut found, mut hosts, mut asks, mut at) = (Self::default(), 0, false, 0);
        let mut lines = head.split_inclusive(|byte| *byte == b'\n');
        let request_line = lines.next().unwrap_or_default();
        at += request_line.len();
        for line in lines {
            let range = at..at + line.len();
            at = range.end;
            let Some((name, list)) = header(line) else { continue };
            if name.eq_ignore_ascii_case(b"upgrade") {
                asks |= list_has(list, "websocket");
                found.upgrades.push(range);
            } else if name.eq_ignore_ascii_case(b"connection") {
                let upgrades = list_has(list, "upgrade") && !list_has(list, "close");
                found.upgrades.extend(upgrades.then_some(range));
            } else if name.eq_ignore_ascii_case(b"host") {
                hosts += 1;
            }
        }
        check_hosts(hosts, request_line)?;
        found.asks_for_websocket = asks && request_line.starts_with(b"GET ");
        Ok(found)
    }

    /// Removes `Upgrade` and `Connection: Upgrade` from this head at the beginning of `received`,
    /// unless they ask for a WebSocket. With them, actix-http would pass on the body as bytes of
    /// the other protocol, and announce an upgrade in its response.
    pub fn ignore_foreign_upgrades(&self, received: &mut BytesMut) {
        if self.asks_for_websocket || self.upgrades.is_empty() {
            return;
        }
        let mut kept = BytesMut::with_capacity(received.len());
        let mut from = 0;
        for line in &self.upgrades {
            kept.extend_from_slice(&received[from..line.start]);
            from = line.end;
        }
        kept.extend_from_slice(&received[from..]);
        *received = kept;
    }
}

/// Returns the method and the path of a refused head, as far as they can be read; `-` otherwise.
pub fn request_line(head: &[u8]) -> (&str, &str) {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ').map(|word| str::from_utf8(word).unwrap_or("-"));
    match (words.next(), words.next(), words.next()) {
        (Some(method), Some(target), Some(_)) => (method, target.split('?').next().unwrap_or_default()),
        _ => ("-", "-"),
    }
}

/// Returns true if the head, complete or not, is a GET with `websocket` in its `Upgrade` list.
pub fn asks_for_websocket(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n').filter_map(header);
    let is_upgrade = |name: &[u8]| name.eq_ignore_ascii_case(b"upgrade");
    head.starts_with(b"GET ") && lines.any(|(name, list)| is_upgrade(name) && list_has(list, "websocket"))
}

/// Requires one `Host` in a request of HTTP/1.1, and at most one in any (RFC 9112 §3.2).
fn check_hosts(hosts: usize, request_line: &[u8]) -> Result<(), Refusal> {
    match hosts {
        0 if request_line.trim_ascii_end().ends_with(b" HTTP/1.1") => Err(Refusal::no_host()),
        0 | 1 => Ok(()),
        _ => Err(Refusal::several_hosts()),
    }
}

/// Refuses an incomplete head early if it is not HTTP, such as the first bytes of TLS.
fn can_become_request(received: &[u8]) -> Result<(), Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    match httparse::Request::new(&mut headers).parse(received) {
        Ok(_) => Ok(()),
        Err(httparse::Error::TooManyHeaders) => Err(Refusal::TooManyHeaders(MAX_HEADERS)),
        Err(error) => Err(Refusal::Request(error.to_string())),
    }
}

/// Splits a line into the name and the value of a header.
fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((&line[..colon], &line[colon + 1..]))
}

/// Returns the length up to the first empty line after another line, inclusive.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let newlines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    newlines.map(|(at, _)| at + 1).find_map(|next| match &bytes[next..] {
        [b'\n', ..] => Some(next + 1),
        [b'\r', b'\n', ..] => Some(next + 2),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1 << 10;

    fn find(bytes: &[u8]) -> Result<Option<Head>, Refusal> {
        Search::default().find(&mut bytes.into(), MOST)
    }

    fn asks(request: &str) -> bool {
        find(request.as_bytes()).unwrap().unwrap().asks_for_websocket
    }

    #[test]
    fn a_head_is_found_however_it_is_cut() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for cut in 1..head.len() {
            let (mut search, mut received) = (Search::default(), BytesMut::from(&head[..cut]));
            assert_eq!(search.find(&mut received, MOST).unwrap(), None, "{cut}");
            received.extend_from_slice(&head[cut..]);
            assert!(search.find(&mut received, MOST).unwrap().is_some(), "{cut}");
        }
        assert!(find(b"GET / HTTP/1.0\n\n").unwrap().is_some(), "bare line feeds");
    }

    #[test]
    fn an_incomplete_head_is_judged_a_few_times_however_slowly_it_comes() {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(900));
        let (mut search, mut received, mut tried) = (Search::default(), BytesMut::new(), Vec::new());
        for byte in head.bytes() {
            received.extend_from_slice(&[byte]);
            let _ = search.find(&mut received, MOST).unwrap();
            tried.push(search.tried);
        }
        tried.dedup();
        assert!(tried.len() <= 12, "{tried:?}");
    }

    #[test]
    fn empty_lines_before_a_head_cost_nothing() {
        let (mut search, mut received) = (Search::default(), BytesMut::from(&b"\r\n\r\n\n\r\n"[..]));
        assert_eq!(search.find(&mut received, MOST).unwrap(), None);
        assert!(received.is_empty());
        received.extend_from_slice(b"\r\nGET / HTTP/1.0\r\n\r\n");
        assert!(search.find(&mut received, MOST).unwrap().is_some());
    }

    #[test]
    fn a_head_has_at_most_the_length_that_is_allowed() {
        let head = |length: usize| {
            let empty = "GET / HTTP/1.0\r\nX: \r\n\r\n";
            empty.replace("X: ", &format!("X: {}", "x".repeat(length - empty.len())))
        };
        assert!(find(head(MOST).as_bytes()).unwrap().is_some());
        for too_long in [head(MOST + 1).as_bytes(), &head(MOST + 9).as_bytes()[..MOST + 1]] {
            assert_eq!(find(too_long).unwrap_err().code(), "head_too_large");
        }
        let many = format!("GET / HTTP/1.0\r\n{}", "a:\r\n".repeat(97));
        assert_eq!(find(many.as_bytes()).unwrap_err().code(), "head_too_large");
    }

    #[test]
    fn other_protocols_are_refused_before_their_head_ends() {
        for other in ["\x16\x03\x01\x02\x00", "PRI * HTTP/2.0\r\n", "nonsense \r\n"] {
            assert_eq!(find(other.as_bytes()).unwrap_err().code(), "request", "{other}");
        }
    }

    #[test]
    fn one_host_is_required() {
        for hosts in ["", "Host: a\r\nHost: a\r\n", "Host: a\r\nhost: b\r\n"] {
            let head = format!("GET / HTTP/1.1\r\n{hosts}\r\n");
            assert_eq!(find(head.as_bytes()).unwrap_err().code(), "request", "{hosts}");
        }
        assert!(find(b"GET / HTTP/1.0\r\n\r\n").unwrap().is_some(), "HTTP/1.0 has none");
    }

    #[test]
    fn a_websocket_is_asked_for_in_a_list_of_a_get_only() {
        let request = |method, upgrade| format!("{method} / HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n\r\n");
        for upgrade in
            ["Upgrade: websocket", "UPGRADE: h2c, WebSocket", "Upgrade: h2c\r\nUpgrade:websocket\r\nX: y"]
        {
            assert!(asks(&request("GET", upgrade)), "{upgrade}");
            assert!(!asks(&request("POST", upgrade)), "{upgrade}");
        }
        for upgrade in ["Upgrade: h2c", "Upgrade: websockets", "Upgrade: web socket", "X-Upgrade: websocket"]
        {
            assert!(!asks(&request("GET", upgrade)), "{upgrade}");
        }
    }

    #[test]
    fn an_upgrade_that_is_not_ours_is_taken_out_and_nothing_else() {
        let upgrade = "Upgrade: websocket\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c";
        let request = format!("POST / HTTP/1.1\r\n{upgrade}\r\nX: y\r\n\r\nbody");
        let mut received = BytesMut::from(request.as_bytes());
        let head = Search::default().find(&mut received, MOST).unwrap().unwrap();
        head.ignore_foreign_upgrades(&mut received);
        assert_eq!(received, "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\nbody");
        let handshake = "GET / HTTP/1.1\r\nUpgrade: websocket\r\nHost: a\r\nConnection: Upgrade\r\n\r\n";
        let mut received = BytesMut::from(handshake.as_bytes());
        let head = Search::default().find(&mut received, MOST).unwrap().unwrap();
        head.ignore_foreign_upgrades(&mut received);
        assert_eq!(received, handshake);
    }
}
