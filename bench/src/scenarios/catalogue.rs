//! The scenarios, in the order in which they are run and shown.

use super::{
    Measure::{self, *},
    Scenario,
    cpu::Load,
    idle::{Histories as Rooms, IdleClients},
    latency::Traffic,
    rate::{Question::*, Rate},
};
use crate::{
    clients::Layout,
    cores::Share,
    peers::{
        Cluster, Part,
        Peer::{self, *},
    },
    words::grouped,
};

const ALL: &[Peer] = &Peer::ALL;
/// The peers that stay usable with ten thousand clients.
const STRONG: &[Peer] = &[Worldcast, Limit, Bun, Ws];
const WITH_ROOMS: &[Peer] = &[Worldcast, Bun, Ws];
const WITH_COMPRESSION: &[Peer] = &[Worldcast, Bun, Ws, SocketIo, Websockets];
const OURS: &[Peer] = &[Worldcast];

/// The number of clients that fits into 20,000 descriptors.
const MANY: usize = 19_000;
const MAX_CLIENTS: usize = 50_000;

const SINGLE: Load = Load::of(500);
const BURST: Load = Load { burst: 8, ..SINGLE };
const IN_ONE_WRITE: Load = Load { in_one_write: true, ..BURST };
const EIGHT_PUBLISHERS: Load = Load { publishers: 8, ..SINGLE };
const SILENT: Load = Load { idle: 8_500, ..SINGLE };
const LARGE: Load = Load { bytes: 16 << 10, ..Load::of(200) };
const JSON: Load = Load { bytes: 1 << 10, ..SINGLE };
const COMPRESSED: Load = Load { layout: Layout { compressed: true, ..JSON.layout }, ..JSON };

const AUDIENCE: Traffic = Traffic { times: 2, ..Traffic::of(1_000, 64, 20) };
const READERS: Traffic = Traffic { times: 2, ..Traffic::of(500, 4 << 10, 20) };
const NON_READERS: Traffic = Traffic { non_readers: 500, ..READERS };
const STEADY: Traffic = Traffic { publishers: 100, ..Traffic::of(100, 64, 100) };
const FLOOD: Traffic = Traffic { flood: true, ..STEADY };
const PACED: Traffic = Traffic { pace: 100, ..FLOOD };

/// The scenarios of a group are measured in turn, round by round: they are compared with each
/// other.
pub fn groups() -> Vec<Vec<Scenario>> {
    vec![
        deliveries(),
        clients(),
        rooms(),
        conversations(),
        memory(),
        connections(),
        workers(),
        noisy_neighbors(),
        nodes(),
    ]
}

fn deliveries() -> Vec<Scenario> {
    let in_one = "CPU of a delivery: 500 clients, 64 B, 8 messages in one write";
    let compressed = "CPU of a delivery: 500 clients, 1 KiB, compressed";
    vec![
        new("single", "CPU of a delivery: 500 clients, 64 B, one message at a time", ALL, Cpu(SINGLE)),
        new("burst", "CPU of a delivery: 500 clients, 64 B, in bursts of 8 messages", ALL, Cpu(BURST)),
        new("burst-in-one-write", in_one, ALL, Cpu(IN_ONE_WRITE)),
        new(
            "publishers-8",
            "CPU of a delivery: 500 clients, 64 B, 8 publishers at once",
            ALL,
            Cpu(EIGHT_PUBLISHERS),
        ),
        new("large", "CPU of a delivery: 200 clients, 16 KiB", ALL, Cpu(LARGE)),
        new("json", "CPU of a delivery: 500 clients, 1 KiB of JSON", WITH_COMPRESSION, Cpu(JSON)),
        new("json-compressed", compressed, WITH_COMPRESSION, Cpu(COMPRESSED)).over("json"),
    ]
}

/// Growth of cost with the number of clients: in one room, and in other rooms without messages.
fn clients() -> Vec<Scenario> {
    let of = |clients| {
        let title = format!("CPU of a delivery: {} clients of one room", grouped(clients));
        new(format!("clients-{clients}"), title, STRONG, Cpu(Load::of(clients).at_length()))
    };
    let silent = "CPU of a delivery: 500 clients of one room among 8,500 silent ones";
    let silent = new("silent", silent, WITH_ROOMS, Cpu(SILENT.at_length()));
    let others = [100, 1_000, 10_000, MANY].map(of).into_iter().chain([silent]);
    let others = others.map(|other| other.over("clients-500"));
    [of(500)].into_iter().chain(others).chain([of(MAX_CLIENTS)]).collect()
}

/// Growth of cost with the number of rooms: of the same clients, and of two each.
fn rooms() -> Vec<Scenario> {
    let of = |rooms: usize, in_each| {
        let title = format!("CPU of a delivery: {} rooms of {}", grouped(rooms), grouped(in_each));
        new(format!("rooms-{rooms}-of-{in_each}"), title, WITH_ROOMS, shared(rooms, in_each))
    };
    let one = new("rooms-1-of-10000", "CPU of a delivery: 1 room of 10,000", WITH_ROOMS, shared(1, 10_000));
    let same_clients = [(10, 1_000), (100, 100), (1_000, 10), (5_000, 2)];
    let same_clients = same_clients.map(|(rooms, in_each)| of(rooms, in_each).over(&one.name));
    let pairs = [2_000, 500, 50].map(|rooms| of(rooms, 2).over("rooms-5000-of-2"));
    [one].into_iter().chain(same_clients).chain(pairs).collect()
}

/// One client of each room publishes.
fn shared(rooms: usize, in_each: usize) -> Measure {
    Cpu(Load { layout: Layout::of(rooms, in_each), ..SINGLE }.at_length())
}

fn conversations() -> Vec<Scenario> {
    let rate = |publishers| {
        let cluster = Cluster::NONE;
        Rate { clients: 200, bytes: 64, in_flight: 16, publishers, cluster }
    };
    let server = "CPU of the server, 16 in flight, 16 publishers, of its core";
    let client = "CPU of the client, 16 in flight, 16 publishers, of its core";
    vec![
        new(
            "rate-1",
            "deliveries a second: 200 clients, 16 in flight, 1 publisher",
            ALL,
            Conversation(rate(1), DeliveriesPerSecond),
        ),
        new(
            "rate-16",
            "deliveries a second: 200 clients, 16 in flight, 16 publishers",
            ALL,
            Conversation(rate(16), DeliveriesPerSecond),
        ),
        new("rate-16-server", server, STRONG, Conversation(rate(16), CpuOfServer)),
        new("rate-16-client", client, STRONG, Conversation(rate(16), CpuOfClient)),
        new("p99", "p99 of 1,000 clients, 20 messages a second", ALL, Latency(AUDIENCE)),
    ]
}

fn memory() -> Vec<Scenario> {
    let of = |clients| {
        let peers = if clients == 5_000 { ALL } else { STRONG };
        let title = format!("memory of an idle connection, {} clients", grouped(clients));
        new(format!("memory-{clients}"), title, peers, Memory(IdleClients::of(clients)))
    };
    let title = "memory of an idle connection with compression, 5,000 clients";
    let compressed = Memory(IdleClients { compressed: true, ..IdleClients::of(5_000) });
    let compressed = new("memory-compressed", title, WITH_COMPRESSION, compressed).over("memory-5000");
    [100, 1_000, 5_000, 10_000, MANY, MAX_CLIENTS].map(of).into_iter().chain([compressed]).collect()
}

fn connections() -> Vec<Scenario> {
    vec![
        new("accept", "CPU of an accepted connection", ALL, Accept(IdleClients::of(2_000))),
        new("idle-cpu", "CPU of an idle connection, each second, 5,000 clients", WITH_ROOMS, IdleCpu(5_000)),
        new("scrape", "CPU of one reading of /metrics, 19,000 clients", OURS, Scrape(MANY)),
    ]
}

fn workers() -> Vec<Scenario> {
    let of = |workers, name: &str, clients| {
        let title = format!("CPU of a delivery: {} clients, {name} on both cores", grouped(clients));
        let load = Load { workers, share: Share::Both, ..Load::of(clients) };
        new(format!("workers-{workers}-{clients}"), title, OURS, Cpu(load))
    };
    let pair = |clients| {
        let one = of(1, "1 worker", clients);
        let two = of(2, "2 workers", clients).over(&one.name);
        [one, two]
    };
    let memory = |clients| {
        let title = format!("memory of an idle connection, {} clients, 2 workers", grouped(clients));
        let idle_clients = IdleClients { workers: 2, ..IdleClients::of(clients) };
        new(format!("workers-2-memory-{clients}"), title, OURS, Memory(idle_clients))
    };
    let deliveries = [100, 500, 1_000, 10_000, MANY, MAX_CLIENTS].map(pair);
    let memory = [100, 1_000, 5_000, 10_000, MANY, MAX_CLIENTS].map(memory);
    let spread = |half_goes| Spread { clients: 10_000, half_goes };
    let spreads = [
        new("spread", "connections at the fuller of 2 workers, 10,000 clients", OURS, spread(false)),
        new("spread-half", "the same when half of them have gone again", OURS, spread(true)),
    ];
    let accept = Accept(IdleClients { workers: 2, ..IdleClients::of(2_000) });
    let accept = new("workers-2-accept", "CPU of an accepted connection, 2 workers", OURS, accept);
    deliveries.into_iter().flatten().chain(memory).chain([accept]).chain(spreads).collect()
}

fn noisy_neighbors() -> Vec<Scenario> {
    let non_readers = "p99 of 500 readers, 4 KiB, beside 500 that never read";
    let flood = "p99 of 100 steady publishers beside one that floods";
    let paced = "p99 of 100 steady publishers, all at most 100 a second";
    vec![
        new("readers", "p99 of 500 readers, 4 KiB", WITH_ROOMS, Latency(READERS)),
        new("non-readers", non_readers, WITH_ROOMS, Latency(NON_READERS)).over("readers"),
        new("steady", "p99 of 100 steady publishers", WITH_ROOMS, Latency(STEADY)),
        new("flood", flood, WITH_ROOMS, Latency(FLOOD)).over("steady"),
        new("flood-paced", paced, OURS, Latency(PACED)).over("steady"),
    ]
}

/// Nodes over Redis, each beside one server without it.
fn nodes() -> Vec<Scenario> {
    let groups = [node_cpu(), redis_cpu(), node_latency(), node_rates(), node_memory()];
    groups.into_iter().flatten().collect()
}

fn node_cpu() -> Vec<Scenario> {
    let of = |name: &str, what: &str, load: Load| {
        let title = |with: &str| format!("CPU of a delivery: 500 clients, {what}, {with}");
        let alone = new(format!("nodes-{name}-alone"), title("one server"), OURS, Cpu(load));
        let load = Load { cluster: Cluster::of(1), ..load };
        let node = new(format!("nodes-{name}"), title("a node over Redis"), OURS, Cpu(load));
        let node = node.over(&alone.name);
        [alone, node]
    };
    let bystander = Cluster { nodes: 2, spreads: false, ..Cluster::NONE };
    let bystander =
        Load { cluster: bystander, part: Part::LastNode, for_each_message: true, burst: 64, ..Load::of(2) };
    let title = "CPU of a node without members, for each message in a room of another";
    let bystander = new("nodes-bystander", title, OURS, Cpu(bystander));
    let deliveries = [of("single", "one message at a time", SINGLE), of("burst", "bursts of 8", BURST)];
    deliveries.into_iter().flatten().chain([bystander]).collect()
}

/// A publisher and a subscriber, so that Redis does most of the work.
fn redis_cpu() -> Vec<Scenario> {
    let of = |name: &str, what: &str, load: Load| {
        let title = format!("CPU of Redis for a message: {what}");
        let load = Load { part: Part::Redis, for_each_message: true, ..load };
        new(format!("nodes-redis-{name}"), title, OURS, Cpu(load))
    };
    let single = Load { cluster: Cluster::of(1), ..Load::of(2) };
    let burst = Load { burst: 8, ..single };
    let append_only = Load { cluster: Cluster { append_only: true, ..single.cluster }, ..single };
    vec![
        of("single", "one at a time", single),
        of("burst", "bursts of 8", burst).over("nodes-redis-single"),
        of("batch", "8 in one write", Load { in_one_write: true, ..burst }).over("nodes-redis-single"),
        of("3-nodes", "one at a time, 3 nodes", Load { cluster: Cluster::of(3), ..Load::of(3) })
            .over("nodes-redis-single"),
        of("append-only", "one at a time, appendonly yes", append_only).over("nodes-redis-single"),
    ]
}

fn node_latency() -> Vec<Scenario> {
    let of = |percentile, name: &str, what: &str, nodes| {
        let title = format!("p{percentile} of 100 clients, 100 messages a second, {what}");
        let traffic = Traffic { percentile, cluster: Cluster::of(nodes), ..Traffic::of(100, 64, 100) };
        new(format!("nodes-p{percentile}{name}"), title, OURS, Latency(traffic))
    };
    let three = |percentile| {
        let alone = of(percentile, "-alone", "one server", 0);
        let one = of(percentile, "", "a node over Redis", 1).over(&alone.name);
        let two = of(percentile, "-2", "2 nodes over Redis", 2).over(&alone.name);
        [alone, one, two]
    };
    [three(50), three(99)].into_iter().flatten().collect()
}

fn node_rates() -> Vec<Scenario> {
    let of = |name: &str, what: &str, nodes| {
        let rate = Rate { clients: 6, bytes: 64, in_flight: 96, publishers: 6, cluster: Cluster::of(nodes) };
        let title = format!("messages a second of one room: 6 clients, 96 in flight, {what}");
        new(format!("nodes-rate-{name}"), title, OURS, Conversation(rate, MessagesPerSecond))
    };
    let alone = of("alone", "one server", 0);
    let nodes = [(1, "1 node"), (2, "2 nodes"), (3, "3 nodes")];
    let nodes = nodes.map(|(nodes, what)| of(&nodes.to_string(), what, nodes).over(&alone.name));
    [alone].into_iter().chain(nodes).collect()
}

fn node_memory() -> Vec<Scenario> {
    let of = |name: &str, what: &str, nodes| {
        let rooms = Rooms { rooms: 500, messages: 100, bytes: 64, cluster: Cluster::of(nodes) };
        let title = format!("memory of a message in a history: 500 rooms, {what}");
        new(format!("nodes-memory{name}"), title, OURS, Histories(rooms))
    };
    let alone = of("-alone", "one server", 0);
    let node = of("", "the mirror of a node", 1).over(&alone.name);
    vec![alone, node]
}

fn new(
    name: impl Into<String>,
    title: impl Into<String>,
    peers: &'static [Peer],
    measure: Measure,
) -> Scenario {
    Scenario { name: name.into(), title: title.into(), measure, peers, over: None }
}

impl Scenario {
    fn over(self, other: impl Into<String>) -> Self {
        Self { over: Some(other.into()), ..self }
    }
}
