//! The scenarios, in the order in which they are run and shown.

use crate::{
    cores::Share,
    cpu::Load,
    crowd::Guests,
    latency::Chatter,
    peer::Peer::{self, *},
    rate::Rate,
    scenario::{
        Measure::{self, *},
        Scenario,
    },
};

const ALL: &[Peer] = &Peer::ALL;
/// Those that stay usable with ten thousand clients.
const STRONG: &[Peer] = &[Worldcast, Limit, Bun, Ws];
const WITH_ROOMS: &[Peer] = &[Worldcast, Bun, Ws];
const WITH_COMPRESSION: &[Peer] = &[Worldcast, Bun, Ws, SocketIo, Websockets];
const OURS: &[Peer] = &[Worldcast];

/// With the first hundred and the peer's own files below 20,000 descriptors.
const MOST: usize = 19_000;

pub const SCENARIOS: &[Scenario] = &[
    new("single", "CPU of a delivery: 500 clients, 64 B, one message at a time", ALL, Cpu(SINGLE)),
    new("burst", "CPU of a delivery: 500 clients, 64 B, in bursts of 8", ALL, Cpu(BURST)),
    new("choir", "CPU of a delivery: 500 clients, 64 B, 8 speakers at once", ALL, Cpu(CHOIR)),
    new("large", "CPU of a delivery: 200 clients, 16 KiB", ALL, Cpu(LARGE)),
    new("rate-1", "deliveries a second: 200 clients, 16 in flight, 1 speaker", ALL, rate(1)),
    new("rate-16", "deliveries a second: 200 clients, 16 in flight, 16 speakers", ALL, rate(16)),
    new("p99", "p99 of 1,000 clients, 20 messages a second", ALL, Latency(Chatter::of(1_000, 64, 20))),
    new("memory-1000", "memory of an idle connection, 1,000 clients", STRONG, Memory(1_000)),
    new("memory-5000", "memory of an idle connection, 5,000 clients", ALL, Memory(5_000)),
    new(
        "memory-compressed",
        "memory of an idle connection with compression, 5,000 clients",
        WITH_COMPRESSION,
        MemoryCompressed(5_000),
    )
    .over("memory-5000"),
    new("memory-19000", "memory of an idle connection, 19,000 clients", STRONG, Memory(MOST)),
    new("accept", "CPU of an accepted connection", ALL, Accept(2_000)),
    new("idle-cpu", "CPU of an idle connection, each second, 5,000 clients", WITH_ROOMS, IdleCpu(5_000)),
    new("scrape", "CPU of one reading of /metrics, 19,000 clients", OURS, Scrape(MOST)),
    new("json", "CPU of a delivery: 500 clients, 1 KiB of JSON", WITH_COMPRESSION, Cpu(JSON)),
    new(
        "json-compressed",
        "CPU of a delivery: 500 clients, 1 KiB, compressed",
        WITH_COMPRESSION,
        Cpu(COMPRESSED),
    )
    .over("json"),
    new("clients-100", "CPU of a delivery: 100 clients", STRONG, Cpu(Load::of(100))),
    new("clients-1000", "CPU of a delivery: 1,000 clients", STRONG, Cpu(Load::of(1_000))),
    new("rooms-1", "CPU of a delivery: 1 room of 10,000", STRONG, Cpu(Load::of(10_000))),
    new("rooms-100", "CPU of a delivery: 100 rooms of 100", WITH_ROOMS, rooms(100, 100)).over("rooms-1"),
    new("rooms-5000", "CPU of a delivery: 5,000 rooms of 2", WITH_ROOMS, rooms(5_000, 2)).over("rooms-1"),
    new("silent", "CPU of a delivery: 500 clients beside 10,000 silent rooms", WITH_ROOMS, Cpu(SILENT))
        .over("single"),
    new("workers-1", "CPU of a delivery: 500 clients, 1 worker on both cores", OURS, Cpu(ONE_WORKER)),
    new("workers-2", "CPU of a delivery: 500 clients, 2 workers on both cores", OURS, two_workers(500))
        .over("workers-1"),
    new("workers-2-100", "CPU of a delivery: 100 clients, 2 workers on both cores", OURS, two_workers(100)),
    new(
        "workers-2-1000",
        "CPU of a delivery: 1,000 clients, 2 workers on both cores",
        OURS,
        two_workers(1_000),
    ),
    new(
        "workers-2-10000",
        "CPU of a delivery: 10,000 clients, 2 workers on both cores",
        OURS,
        two_workers(10_000),
    ),
    new("spread", "connections at the fuller of 2 workers, 10,000 clients", OURS, spread(false)),
    new("spread-half", "the same when half of them have gone again", OURS, spread(true)),
    new("readers", "p99 of 500 readers, 4 KiB", WITH_ROOMS, Latency(READERS)),
    new("deaf", "p99 of 500 readers, 4 KiB, beside 500 that never read", WITH_ROOMS, Latency(DEAF))
        .over("readers"),
    new("polite", "p99 of 100 polite speakers", WITH_ROOMS, Latency(POLITE)),
    new("flood", "p99 of 100 polite speakers beside one that floods", WITH_ROOMS, Latency(FLOOD))
        .over("polite"),
    new("flood-paced", "p99 of 100 polite speakers, all at most 100 a second", OURS, Latency(PACED))
        .over("polite"),
];

const SINGLE: Load = Load::of(500);
const BURST: Load = Load { burst: 8, ..SINGLE };
const CHOIR: Load = Load { speakers: 8, ..SINGLE };
const ONE_WORKER: Load = Load { share: Share::Both, ..SINGLE };
const SILENT: Load = Load { idle: 10_000, ..SINGLE };
const LARGE: Load = Load { bytes: 16 << 10, ..Load::of(200) };
const JSON: Load = Load { bytes: 1 << 10, ..SINGLE };
const COMPRESSED: Load = Load { guests: Guests { compressed: true, ..JSON.guests }, ..JSON };

const READERS: Chatter = Chatter { times: 2, ..Chatter::of(500, 4 << 10, 20) };
const DEAF: Chatter = Chatter { deaf: 500, ..READERS };
const POLITE: Chatter = Chatter { speakers: 100, ..Chatter::of(100, 64, 100) };
const FLOOD: Chatter = Chatter { flood: true, ..POLITE };
const PACED: Chatter = Chatter { pace: 100, ..FLOOD };

const fn rate(speakers: usize) -> Measure {
    Rate(Rate { clients: 200, bytes: 64, in_flight: 16, speakers })
}

const fn rooms(rooms: usize, in_each: usize) -> Measure {
    Cpu(Load { guests: Guests::of(rooms, in_each), ..SINGLE })
}

const fn two_workers(clients: usize) -> Measure {
    Cpu(Load { workers: 2, share: Share::Both, ..Load::of(clients) })
}

const fn spread(half_goes: bool) -> Measure {
    Spread { clients: 10_000, half_goes }
}

const fn new(name: &'static str, title: &'static str, peers: &'static [Peer], measure: Measure) -> Scenario {
    Scenario { name, title, measure, peers, over: None }
}

impl Scenario {
    const fn over(self, other: &'static str) -> Self {
        Self { over: Some(other), ..self }
    }
}
