//! Decoding and encoding, bytes a second, beside tungstenite and the codec of actix-http.
//!
//! All read from the same socket in memory, through a buffer of 64 KiB, and hand out whole messages whose
//! text is known to be UTF-8.

use actix_codec::{Decoder as _, Encoder as _};
use actix_http::ws::{self, Frame, Message};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use std::{
    hint::black_box,
    io::{self, Read, Write},
    time::Duration,
};
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use worldcast::wire::{Compression, Decoder, Payload, Prepared, WindowBits};

const SIZES: [usize; 3] = [64, 16 << 10, 64 << 10];
const READ_BUFFER: usize = 64 << 10;
const LIMIT: usize = 1 << 20;
/// What one measured step decodes or encodes.
const STEP: usize = 256 << 10;

/// A client that sends the same frame for ever, and takes whatever it is sent.
#[derive(Clone)]
struct Socket {
    frames: Vec<u8>,
    at: usize,
}

impl Socket {
    /// Sends `payload` in masked frames.
    fn new(opcode: u8, payload: &[u8]) -> Self {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ ..126 => frame.push(0x80 | length as u8),
            length @ ..0x1_0000 => frame.extend([&[0xfe][..], &(length as u16).to_be_bytes()].concat()),
            length => frame.extend([&[0xff][..], &(length as u64).to_be_bytes()].concat()),
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        Self { frames: frame.repeat(2 * READ_BUFFER / frame.len() + 2), at: 0 }
    }
}

impl Socket {
    /// What the next read of at most `length` bytes brings.
    fn next(&mut self, length: usize) -> &[u8] {
        let rest = &self.frames[self.at..];
        let length = length.min(rest.len());
        self.at = (self.at + length) % self.frames.len();
        &rest[..length]
    }

    fn read_onto(&mut self, buffer: &mut BytesMut) {
        buffer.extend_from_slice(self.next(READ_BUFFER));
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

fn tungstenite(socket: Socket) -> WebSocket<Socket> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    WebSocket::from_raw_socket(socket, Role::Server, Some(config))
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

fn opcode(payload: &Payload) -> u8 {
    if matches!(payload, Payload::Text(_)) { 1 } else { 2 }
}

fn decode(criterion: &mut Criterion) {
    for size in SIZES {
        for (kind, payload) in payloads(size) {
            let mut group = criterion.benchmark_group(format!("decode/{kind}/{size}"));
            group.throughput(Throughput::Bytes(STEP as u64));
            let (socket, count) = (Socket::new(opcode(&payload), payload.as_bytes()), STEP / size);
            decode_worldcast(&mut group, socket.clone(), count);
            decode_tungstenite(&mut group, socket.clone(), count);
            decode_actix(&mut group, socket, count);
        }
    }
}

fn decode_worldcast(group: &mut BenchmarkGroup<WallTime>, mut socket: Socket, count: usize) {
    let (mut decoder, mut buffer) = (Decoder::new(LIMIT, true), vec![0; READ_BUFFER]);
    let (mut start, mut end) = (0, 0);
    let mut next = || loop {
        let mut input = &buffer[start..end];
        let message = decoder.decode(&mut input).unwrap();
        start = end - input.len();
        if let Some(message) = message {
            break message;
        }
        (start, end) = (0, socket.read(&mut buffer).unwrap());
    };
    group.bench_function("worldcast", |bencher| {
        bencher.iter(|| (0..count).for_each(|_| drop(black_box(next()))));
    });
}

fn decode_tungstenite(group: &mut BenchmarkGroup<WallTime>, socket: Socket, count: usize) {
    let mut websocket = tungstenite(socket);
    group.bench_function("tungstenite", |bencher| {
        bencher.iter(|| (0..count).for_each(|_| drop(black_box(websocket.read().unwrap()))));
    });
}

/// With the check of the text that actix-web-actors makes.
fn decode_actix(group: &mut BenchmarkGroup<WallTime>, mut socket: Socket, count: usize) {
    let (mut codec, mut buffer) = (ws::Codec::new().max_size(LIMIT), BytesMut::new());
    let mut next = || loop {
        match codec.decode(&mut buffer).unwrap() {
            Some(Frame::Text(text)) => break Message::Text(ByteString::try_from(text).unwrap()),
            Some(Frame::Binary(bytes)) => break Message::Binary(bytes),
            _ => socket.read_onto(&mut buffer),
        }
    };
    group.bench_function("actix-http", |bencher| {
        bencher.iter(|| (0..count).for_each(|_| drop(black_box(next()))));
    });
}

fn encode(criterion: &mut Criterion) {
    for size in SIZES {
        for (kind, payload) in payloads(size) {
            let mut group = criterion.benchmark_group(format!("encode/{kind}/{size}"));
            group.throughput(Throughput::Bytes(STEP as u64));
            let count = STEP / size;
            encode_worldcast(&mut group, &payload, count);
            encode_tungstenite(&mut group, &payload, count);
            encode_actix(&mut group, &payload, count);
        }
    }
}

fn encode_worldcast(group: &mut BenchmarkGroup<WallTime>, payload: &Payload, count: usize) {
    let once = || {
        let prepared = Prepared::new(payload.clone());
        black_box(prepared.plain());
    };
    group.bench_function("worldcast", |bencher| bencher.iter(|| (0..count).for_each(|_| once())));
}

fn encode_tungstenite(group: &mut BenchmarkGroup<WallTime>, payload: &Payload, count: usize) {
    let mut websocket = tungstenite(Socket::new(2, b""));
    let message = match payload {
        Payload::Text(text) => tungstenite::Message::Text((&**text).into()),
        Payload::Binary(bytes) => tungstenite::Message::Binary(bytes.clone()),
    };
    group.bench_function("tungstenite", |bencher| {
        bencher.iter(|| (0..count).for_each(|_| websocket.send(message.clone()).unwrap()));
    });
}

fn encode_actix(group: &mut BenchmarkGroup<WallTime>, payload: &Payload, count: usize) {
    let (mut codec, mut buffer) = (ws::Codec::new(), BytesMut::new());
    let message = || match payload {
        Payload::Text(text) => Message::Text(text.clone()),
        Payload::Binary(bytes) => Message::Binary(bytes.clone()),
    };
    let mut once = || {
        codec.encode(message(), &mut buffer).unwrap();
        black_box(buffer.split().freeze())
    };
    group.bench_function("actix-http", |bencher| {
        bencher.iter(|| (0..count).for_each(|_| drop(once())));
    });
}

/// One message for a hundred hearers, compressed or not; neither of the others can share or compress.
fn broadcast(criterion: &mut Criterion) {
    let compression = Compression { level: 4, threshold: 0 };
    for (size, window) in [(64, None), (1 << 10, None), (1 << 10, Some(WindowBits::MAX))] {
        let [(kind, payload), ..] = payloads(size);
        let broadcast = || {
            let prepared = Prepared::new(payload.clone());
            (0..100).for_each(|_| drop(black_box(prepared.form(window, &compression).clone())));
        };
        let form = if window.is_some() { "compressed" } else { "plain" };
        criterion
            .bench_function(&format!("broadcast/{form}/{kind}/{size}"), |bencher| bencher.iter(broadcast));
    }
}

fn inflate(criterion: &mut Criterion) {
    let compression = Compression { level: 4, threshold: 0 };
    for size in [1 << 10, 16 << 10] {
        let [(kind, payload), ..] = payloads(size);
        let prepared = Prepared::new(payload);
        let frame = masked(prepared.form(Some(WindowBits::MAX), &compression));
        let mut decoder = Decoder::new(LIMIT, true);
        let mut group = criterion.benchmark_group(format!("inflate/{kind}/{size}"));
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function("worldcast", |bencher| {
            bencher.iter(|| decoder.decode(&mut &frame[..]).unwrap().unwrap());
        });
    }
}

/// The frame of a server as a client would send it, with a mask of zeros.
fn masked(frame: &Bytes) -> Vec<u8> {
    let header = if frame[1] < 126 { 2 } else { 4 };
    [&[frame[0], frame[1] | 0x80], &frame[2..header], &[0; 4], &frame[header..]].concat()
}

fn quick() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(800))
}

criterion_group!(name = benches; config = quick().sample_size(20); targets = decode, encode, broadcast, inflate);
criterion_main!(benches);
