//! Decoding and encoding, bytes a second, beside tungstenite and the codec of actix-http.
//!
//! All read from the same socket in memory, up to 64 KiB at a time, and hand out whole messages
//! whose text is known to be UTF-8. Ours own their bytes; those of the others are slices of their
//! read buffers.

use actix_http::ws::{self, Frame, Message};
use bytes::BytesMut;
use bytestring::ByteString;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::{
    hint::black_box,
    io::{self, Read, Write},
    time::Duration,
};
use tokio_util::codec::{Decoder as _, Encoder as _};
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use worldcast::wire::{Compression, Decoder, Deflater, Inflater, Payload, Prepared, WindowBits};

const SIZES: [usize; 3] = [64, 16 << 10, 64 << 10];
const READ_BUFFER: usize = 64 << 10;
const MAX_MESSAGE: usize = 1 << 20;

fn deflater() -> Deflater {
    Deflater::new(Compression { level: 4, threshold: 0 })
}

/// A client that sends the same frames for ever, and accepts all output.
#[derive(Clone)]
struct Socket {
    frames: Vec<u8>,
    at: usize,
}

impl Socket {
    fn new(payload: &Payload) -> Self {
        let frame = masked(Prepared::new(payload.clone()).plain());
        Self { frames: frame.repeat(2 * READ_BUFFER / frame.len() + 2), at: 0 }
    }

    /// The next read, of at most `length` bytes.
    fn next(&mut self, length: usize) -> &[u8] {
        let rest = &self.frames[self.at..];
        let length = length.min(rest.len());
        self.at = (self.at + length) % self.frames.len();
        &rest[..length]
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.next(buffer.len());
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The frame of a server as a client would send it.
fn masked(frame: &[u8]) -> Vec<u8> {
    let (_, payload) = frame.split_at(match frame[1] {
        127 => 10,
        126 => 4,
        _ => 2,
    });
    testing::masked_frame(frame[0], [0x37, 0xfa, 0x21, 0x3d], payload)
}

/// Payloads as people send them: JSON, Chinese, and bytes that mean nothing here.
fn payloads(size: usize) -> [(&'static str, Payload); 3] {
    let ascii = filled(size, r#"{"user":"anna","says":"hello, world","at":1700000000},"#);
    let chinese = filled(size, "世界你好，广播服务器。");
    let binary: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
    [
        ("ascii", Payload::Text(ascii.into())),
        ("chinese", Payload::Text(chinese.into())),
        ("binary", Payload::Binary(binary.into())),
    ]
}

/// As much of `text`, over and over, as fits into `size` bytes.
fn filled(size: usize, text: &str) -> String {
    let mut filled = text.repeat(size / text.len() + 1);
    filled.truncate((0..=size).rev().find(|end| filled.is_char_boundary(*end)).unwrap_or_default());
    filled
}

fn decode(criterion: &mut Criterion) {
    for (size, kind, payload) in all_payloads() {
        let socket = Socket::new(&payload);
        let (worldcast, actix) = (worldcast_reader(socket.clone()), actix_reader(socket.clone()));
        let mut websocket = tungstenite(socket);
        let tungstenite = move || websocket.read().unwrap();
        compare(criterion, &format!("decode/{kind}/{size}"), size, worldcast, tungstenite, actix);
    }
}

fn worldcast_reader(mut socket: Socket) -> impl FnMut() -> worldcast::wire::Message {
    let (mut decoder, mut buffer) = (Decoder::new(MAX_MESSAGE, true), vec![0; READ_BUFFER]);
    let (mut inflater, mut start, mut end) = (Inflater::default(), 0, 0);
    move || loop {
        let mut input = &buffer[start..end];
        let message = decoder.decode(&mut input, &mut inflater).unwrap();
        start = end - input.len();
        if let Some(message) = message {
            break message;
        }
        (start, end) = (0, socket.read(&mut buffer).unwrap());
    }
}

fn tungstenite(socket: Socket) -> WebSocket<Socket> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    WebSocket::from_raw_socket(socket, Role::Server, Some(config))
}

/// With the check of the text that actix-web-actors makes.
fn actix_reader(mut socket: Socket) -> impl FnMut() -> Message {
    let (mut codec, mut buffer) = (ws::Codec::new().max_size(MAX_MESSAGE), BytesMut::new());
    move || loop {
        match codec.decode(&mut buffer).unwrap() {
            Some(Frame::Text(text)) => break Message::Text(ByteString::try_from(text).unwrap()),
            Some(Frame::Binary(bytes)) => break Message::Binary(bytes),
            _ => buffer.extend_from_slice(socket.next(READ_BUFFER)),
        }
    }
}

fn encode(criterion: &mut Criterion) {
    for (size, kind, payload) in all_payloads() {
        let worldcast = || black_box(Prepared::new(payload.clone())).plain().len();
        let (mut websocket, message) = (tungstenite(Socket::new(&payload)), tungstenite_message(&payload));
        let tungstenite = || websocket.send(message.clone()).unwrap();
        let (mut codec, mut buffer) = (ws::Codec::new(), BytesMut::new());
        let actix = || {
            codec.encode(actix_message(&payload), &mut buffer).unwrap();
            buffer.split().freeze()
        };
        compare(criterion, &format!("encode/{kind}/{size}"), size, worldcast, tungstenite, actix);
    }
}

fn tungstenite_message(payload: &Payload) -> tungstenite::Message {
    match payload {
        Payload::Text(text) => tungstenite::Message::Text((&**text).into()),
        Payload::Binary(bytes) => tungstenite::Message::Binary(bytes.clone()),
    }
}

fn actix_message(payload: &Payload) -> Message {
    match payload.clone() {
        Payload::Text(text) => Message::Text(text),
        Payload::Binary(bytes) => Message::Binary(bytes),
    }
}

fn all_payloads() -> impl Iterator<Item = (usize, &'static str, Payload)> {
    SIZES.into_iter().flat_map(|size| payloads(size).map(|(kind, payload)| (size, kind, payload)))
}

fn compare<A, B, C>(
    criterion: &mut Criterion,
    name: &str,
    size: usize,
    mut worldcast: impl FnMut() -> A,
    mut tungstenite: impl FnMut() -> B,
    mut actix: impl FnMut() -> C,
) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(size as u64));
    group.bench_function("worldcast", |bencher| bencher.iter(&mut worldcast));
    group.bench_function("tungstenite", |bencher| bencher.iter(&mut tungstenite));
    group.bench_function("actix-http", |bencher| bencher.iter(&mut actix));
}

/// One message for a hundred subscribers, which the others would encode a hundred times.
fn broadcast(criterion: &mut Criterion) {
    for (size, window) in [(64, None), (1 << 10, None), (1 << 10, Some(WindowBits::MAX))] {
        let [(kind, payload), ..] = payloads(size);
        let deflater = deflater();
        let broadcast = || {
            let prepared = Prepared::new(payload.clone());
            (0..100).for_each(|_| drop(black_box(prepared.encoded(window, &deflater).clone())));
        };
        let form = if window.is_some() { "compressed" } else { "plain" };
        criterion
            .bench_function(&format!("broadcast/{form}/{kind}/{size}"), |bencher| bencher.iter(broadcast));
    }
}

fn inflate(criterion: &mut Criterion) {
    for size in [1 << 10, 16 << 10] {
        let [(kind, payload), ..] = payloads(size);
        let frame = masked(Prepared::new(payload).encoded(Some(WindowBits::MAX), &deflater()));
        let (mut decoder, mut inflater) = (Decoder::new(MAX_MESSAGE, true), Inflater::default());
        criterion.bench_function(&format!("inflate/{kind}/{size}"), |bencher| {
            bencher.iter(|| decoder.decode(&mut &frame[..], &mut inflater).unwrap().unwrap());
        });
    }
}

fn short() -> Criterion {
    let criterion = Criterion::default().sample_size(20);
    criterion.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(800))
}

criterion_group!(name = benches; config = short(); targets = decode, encode, broadcast, inflate);
criterion_main!(benches);
