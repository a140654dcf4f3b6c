//! The scenarios, in the order in which they are run and shown.

use crate::{
    cores::Share,
    cpu::Load,
    crowd::Guests,
    latency::Chatter,
    peer::Peer::{self, *},
    rate::Rate,
    scenario::{Measure, Scenario},
};

/// Those that stay usable with ten thousand clients.
const STRONG: &[Peer] = &[Worldcast, Limit, Bun, Ws];
const WITH_ROOMS: &[Peer] = &[Worldcast, Bun, Ws];
const WITH_COMPRESSION: &[Peer] = &[Worldcast, Bun, Ws, SocketIo, Websockets];

/// With the first hundred and the peer's own files below 20,000 descriptors.
const MOST: usize = 19_000;

pub const SCENARIOS: &[Scenario] = &[
    cpu("single", "CPU of a delivery: 500 clients, 64 B, one message at a time", Load::of(500)),
    cpu("burst", "CPU of a delivery: 500 clients, 64 B, in bursts of 8", Load { burst: 8, ..Load::of(500) }),
    cpu(
        "choir",
        "CPU of a delivery: 500 clients, 64 B, 8 speakers at once",
        Load { speakers: 8, ..Load::of(500) },
    ),
    cpu("large", "CPU of a delivery: 200 clients, 16 KiB", Load { bytes: 16 << 10, ..Load::of(200) }),
    rate("rate-1", "deliveries a second: 200 clients, 16 in flight, 1 speaker", 1),
    rate("rate-16", "deliveries a second: 200 clients, 16 in flight, 16 speakers", 16),
    latency("p99", "p99 of 1,000 clients, 20 messages a second", Chatter::of(1_000, 64, 20), &Peer::ALL),
    memory("memory-1000", "memory of an idle connection, 1,000 clients", 1_000, STRONG),
    memory("memory-5000", "memory of an idle connection, 5,000 clients", 5_000, &Peer::ALL),
    memory("memory-19000", "memory of an idle connection, 19,000 clients", MOST, STRONG),
    idle("accept", "CPU of an accepted connection", Measure::Accept(2_000), &Peer::ALL),
    idle(
        "idle-cpu",
        "CPU of an idle connection, each second, 5,000 clients",
        Measure::IdleCpu(5_000),
        WITH_ROOMS,
    ),
    idle("scrape", "CPU of one reading of /metrics, 19,000 clients", Measure::Scrape(MOST), &[Worldcast]),
    plain("json", "CPU of a delivery: 500 clients, 1 KiB of JSON", WITH_COMPRESSION, JSON),
    over(
        "json",
        "json-compressed",
        "CPU of a delivery: 500 clients, 1 KiB, compressed",
        WITH_COMPRESSION,
        COMPRESSED,
    ),
    plain("clients-100", "CPU of a delivery: 100 clients", STRONG, Load::of(100)),
    plain("clients-1000", "CPU of a delivery: 1,000 clients", STRONG, Load::of(1_000)),
    plain("rooms-1", "CPU of a delivery: 1 room of 10,000", STRONG, Load::of(10_000)),
    over("rooms-1", "rooms-100", "CPU of a delivery: 100 rooms of 100", WITH_ROOMS, rooms(100, 100)),
    over("rooms-1", "rooms-5000", "CPU of a delivery: 5,000 rooms of 2", WITH_ROOMS, rooms(5_000, 2)),
    over("single", "silent", "CPU of a delivery: 500 clients beside 10,000 silent rooms", WITH_ROOMS, SILENT),
    plain("workers-1", "CPU of a delivery: 500 clients, 1 worker on both cores", &[Worldcast], workers(1)),
    over(
        "workers-1",
        "workers-2",
        "CPU of a delivery: 500 clients, 2 workers on both cores",
        &[Worldcast],
        workers(2),
    ),
    latency("readers", "p99 of 500 readers, 4 KiB", READERS, WITH_ROOMS),
    beside(
        "readers",
        "deaf",
        "p99 of 500 readers, 4 KiB, beside 500 that never read",
        Chatter { deaf: 500, ..READERS },
    ),
    latency("polite", "p99 of 100 polite speakers", POLITE, WITH_ROOMS),
    beside(
        "polite",
        "flood",
        "p99 of 100 polite speakers beside one that floods",
        Chatter { flood: true, ..POLITE },
    ),
];

const JSON: Load = Load { bytes: 1 << 10, ..Load::of(500) };
const COMPRESSED: Load = Load { guests: Guests { compressed: true, ..JSON.guests }, ..JSON };
const SILENT: Load = Load { idle: 10_000, ..Load::of(500) };
const READERS: Chatter = Chatter { times: 2, ..Chatter::of(500, 4 << 10, 20) };
const POLITE: Chatter = Chatter { speakers: 100, ..Chatter::of(100, 64, 100) };

const fn rooms(rooms: usize, in_each: usize) -> Load {
    Load { guests: Guests::of(rooms, in_each), ..Load::of(0) }
}

const fn workers(workers: usize) -> Load {
    Load { workers, share: Share::Both, ..Load::of(500) }
}

const fn cpu(name: &'static str, title: &'static str, load: Load) -> Scenario {
    plain(name, title, &Peer::ALL, load)
}

const fn plain(name: &'static str, title: &'static str, peers: &'static [Peer], load: Load) -> Scenario {
    Scenario { name, title, measure: Measure::Cpu(load), peers, over: None }
}

const fn over(
    over: &'static str,
    name: &'static str,
    title: &'static str,
    peers: &'static [Peer],
    load: Load,
) -> Scenario {
    Scenario { over: Some(over), ..plain(name, title, peers, load) }
}

const fn rate(name: &'static str, title: &'static str, speakers: usize) -> Scenario {
    let rate = Rate { clients: 200, bytes: 64, in_flight: 16, speakers };
    Scenario { name, title, measure: Measure::Rate(rate), peers: &Peer::ALL, over: None }
}

const fn latency(
    name: &'static str,
    title: &'static str,
    chatter: Chatter,
    peers: &'static [Peer],
) -> Scenario {
    Scenario { name, title, measure: Measure::Latency(chatter), peers, over: None }
}

const fn beside(over: &'static str, name: &'static str, title: &'static str, chatter: Chatter) -> Scenario {
    Scenario { over: Some(over), ..latency(name, title, chatter, WITH_ROOMS) }
}

const fn memory(name: &'static str, title: &'static str, clients: usize, peers: &'static [Peer]) -> Scenario {
    idle(name, title, Measure::Memory(clients), peers)
}

const fn idle(name: &'static str, title: &'static str, measure: Measure, peers: &'static [Peer]) -> Scenario {
    Scenario { name, title, measure, peers, over: None }
}
