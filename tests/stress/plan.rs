//! The visits of all clients, drawn from the seed, so that a seed repeats a run.

use crate::{
    clients::Kind,
    model::{ClientId, RoomId},
};
use fastrand::Rng;
use std::time::Duration;

/// Rooms with the pace of people.
const CALM_ROOMS: u32 = 5;

/// Rooms with flooders now and then.
const BUSY_ROOMS: u32 = 2;

/// Clients that join in a second, beside the residents.
const VISITS_PER_SECOND: f64 = 60.0;

/// From this length on a run has time for very many.
const LONG: Duration = Duration::from_secs(60);

/// All visits, act by act.
pub struct Plan {
    pub length: Duration,
    pub workers: usize,
    /// Bytes that the server reads from one client in a second; 0 is no limit.
    pub pace: usize,
    /// The first in each room.
    pub founders: Vec<Visit>,
    /// Clients that connect and disconnect, one after the other.
    pub arrivals: Vec<Visit>,
    /// Those who stay from the beginning to the end.
    pub residents: Vec<Visit>,
    /// Clients that join and leave, by the time of their join.
    pub visitors: Vec<Visit>,
    /// The first in each room of the last act.
    pub last_founders: Vec<Visit>,
    /// The clients of the last act, during which the server is told to stop.
    pub last_crowd: Vec<Visit>,
    /// Clients that join and leave meanwhile, some too late.
    pub last_visitors: Vec<Visit>,
}

/// One connection of one client.
#[derive(Clone, Debug)]
pub struct Visit {
    pub client: ClientId,
    pub at: Duration,
    pub kind: Kind,
    pub room: RoomId,
    pub compressed: bool,
    /// The seed of the client's own random choices.
    pub seed: u64,
}

impl Plan {
    pub fn new(seed: u64, length: Duration) -> Self {
        let mut draw = Draw { rng: Rng::with_seed(seed), clients: 0 };
        let (arrivals, last_rooms) =
            if length < LONG { (2_000, CALM_ROOMS + BUSY_ROOMS) } else { (100_000, 100) };
        Self {
            length,
            workers: draw.rng.usize(1..=4),
            pace: if draw.rng.bool() { 4 << 20 } else { 0 },
            founders: draw.founders(CALM_ROOMS + BUSY_ROOMS),
            arrivals: draw.arrivals(arrivals),
            residents: draw.residents(),
            visitors: draw.visitors(length),
            last_founders: draw.founders(last_rooms),
            last_crowd: draw.last_crowd(last_rooms),
            last_visitors: draw.last_visitors(),
        }
    }
}

impl RoomId {
    pub fn is_calm(self) -> bool {
        self.0 < CALM_ROOMS
    }
}

impl ClientId {
    /// One visit may connect so many times.
    pub const PER_VISIT: u32 = 256;
}

struct Draw {
    rng: Rng,
    clients: u32,
}

impl Draw {
    fn founders(&mut self, rooms: u32) -> Vec<Visit> {
        (0..rooms).map(|room| self.visit(Kind::Subscriber, RoomId(room))).collect()
    }

    fn arrivals(&mut self, count: usize) -> Vec<Visit> {
        let mut arrive = || {
            let (kind, room) = (Kind::disconnecting(&mut self.rng), self.rng.u32(..CALM_ROOMS + BUSY_ROOMS));
            self.visit(kind, RoomId(room))
        };
        (0..count).map(|_| arrive()).collect()
    }

    fn residents(&mut self) -> Vec<Visit> {
        let mut residents = Vec::new();
        for room in (0..CALM_ROOMS + BUSY_ROOMS).map(RoomId) {
            let talkers = if room.is_calm() { 6 } else { 1 };
            residents.extend((0..6).map(|_| self.visit(Kind::Subscriber, room)));
            residents.extend((0..talkers).map(|_| self.visit(Kind::Publisher { echo: true }, room)));
            residents.extend((0..talkers / 2).map(|_| self.visit(Kind::Publisher { echo: false }, room)));
        }
        residents
    }

    /// Each starts early enough to have left before the act ends.
    fn visitors(&mut self, length: Duration) -> Vec<Visit> {
        let count = (length.as_secs_f64() * VISITS_PER_SECOND) as usize;
        self.crowd(count, |kind| length.saturating_sub(kind.max_stay()))
    }

    fn last_crowd(&mut self, rooms: u32) -> Vec<Visit> {
        let mut crowd = Vec::new();
        for room in (0..rooms).map(RoomId) {
            crowd.extend((0..28).map(|_| self.visit(Kind::Subscriber, room)));
            crowd.extend((0..18).map(|_| self.visit(Kind::Publisher { echo: true }, room)));
            crowd.extend((0..3).map(|_| self.visit(Kind::Straggler, room)));
        }
        crowd
    }

    fn last_visitors(&mut self) -> Vec<Visit> {
        let length = Duration::from_secs(3);
        self.crowd((length.as_secs_f64() * VISITS_PER_SECOND) as usize, |_| length)
    }

    fn crowd(&mut self, count: usize, latest: impl Fn(Kind) -> Duration) -> Vec<Visit> {
        let mut visits: Vec<_> = (0..count).map(|_| self.passer_by(&latest)).collect();
        visits.sort_by_key(|visit| visit.at);
        visits
    }

    fn passer_by(&mut self, latest: impl Fn(Kind) -> Duration) -> Visit {
        let kind = Kind::draw(&mut self.rng);
        let room = match kind.is_busy() || self.rng.u8(..10) == 0 {
            true => CALM_ROOMS + self.rng.u32(..BUSY_ROOMS),
            false => self.rng.u32(..CALM_ROOMS),
        };
        let at = latest(kind).mul_f64(self.rng.f64());
        Visit { at, ..self.visit(kind, RoomId(room)) }
    }

    fn visit(&mut self, kind: Kind, room: RoomId) -> Visit {
        self.clients += 1;
        Visit {
            client: ClientId(self.clients * ClientId::PER_VISIT),
            at: Duration::ZERO,
            kind,
            room,
            compressed: self.rng.u8(..4) == 0,
            seed: self.rng.u64(..),
        }
    }
}
