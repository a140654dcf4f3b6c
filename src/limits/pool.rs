//! A pool of bytes with shares for each source and a queue of waiters. Pools bound the request
//! bodies being read (`limits.body_bytes`, metric `worldcast_body_bytes`) and the answers about
//! histories (`limits.answer_bytes`, metric `worldcast_answer_bytes`).
//!
//! Holders that all wait for more could wait for each other without end (deadlock). To prevent
//! that, the youngest of them is refused after a quarter of its patience and returns its bytes,
//! then the next, until the others continue.
//!
//! Holders that can lose their bytes at any time (answers) do so in favor of a source that holds
//! nothing, once they have held them for the time that it may wait. So it waits for slow holders no
//! longer than that.

use super::{Ledger, Source};
use crate::clock;
use prometheus_client::metrics::gauge::Gauge;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// The reciprocal of the part of its patience for which the youngest holder waits while older ones
/// wait too.
const YOUNGEST: u32 = 4;

/// The smallest step in which reservations grow, in bytes. A new reservation of that size need not
/// wait behind others of its source that wait to grow.
pub const SMALLEST_STEP: usize = 4 << 10;

/// A pool of bytes, shared by reservations.
#[derive(Debug)]
pub struct Pool {
    state: Mutex<State>,
    /// Notified when bytes are returned, or when another holder may be the youngest.
    changed: Notify,
    /// The metric of the held bytes.
    gauge: Gauge,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    /// The number of the last reservation; a younger one has a greater number.
    next: u64,
    /// The holders that wait for more, oldest first.
    growing: BTreeSet<u64>,
    /// Their number for each source.
    growing_by_source: HashMap<Source, usize>,
    /// The reservations that can be revoked, the oldest first.
    revocable: BTreeMap<u64, Revocable>,
    /// The requests that wait for sources that hold nothing, where reservations can be revoked.
    preferred_waiters: usize,
}

/// A reservation that can be revoked.
#[derive(Debug)]
struct Revocable {
    source: Source,
    since: Instant,
    holder: Weak<dyn Revoke>,
}

/// A holder that can lose its reservation at any time.
pub trait Revoke: std::fmt::Debug + Send + Sync {
    /// Drops the reservation and the bytes that it stands for.
    fn revoke(&self);
}

/// Bytes of a [`Pool`], returned when this is dropped.
#[derive(Debug)]
pub struct Reservation {
    pool: Arc<Pool>,
    source: Source,
    /// The number of the reservation; a younger one has a greater number.
    id: u64,
    bytes: usize,
    /// The total time for which it has waited for more.
    waited: Duration,
}

/// A holder that waits for more, counted until this is dropped.
struct Growing<'a> {
    pool: &'a Pool,
    source: Source,
    id: u64,
}

impl Pool {
    /// Creates a pool of `bytes`; `gauge` shows the held ones.
    pub fn new(bytes: usize, gauge: Gauge) -> Arc<Self> {
        let state = State {
            ledger: Ledger::new(bytes),
            next: 0,
            growing: BTreeSet::new(),
            growing_by_source: HashMap::new(),
            revocable: BTreeMap::new(),
            preferred_waiters: 0,
        };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new(), gauge })
    }

    /// Waits until `bytes` are reserved for `source`; `None` if they do not become free within
    /// `patience`. If `source` holds nothing, it comes before others, and reservations that are
    /// older than `patience` are revoked for it.
    pub async fn reserve(
        self: &Arc<Self>,
        source: Source,
        bytes: usize,
        patience: Duration,
    ) -> Option<Reservation> {
        let until = clock::now() + patience;
        let mut preferred = None;
        loop {
            let changed = self.changed.notified();
            let may_take = preferred.is_some() || self.state().lets_pass(source);
            if may_take && let Some(reservation) = self.take(source, bytes) {
                return Some(reservation);
            }
            if preferred.is_none() {
                preferred = PreferredWaiter::new(self, source);
            }
            if preferred.is_some() && self.revoke_for(source, bytes, patience) {
                continue;
            }
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                return None;
            }
            let _ = clock::timeout(left, changed).await; // the next round takes what became free in time
        }
    }

    /// Reserves without waiting. Reservations of `source` that wait to grow come first, except
    /// before one of [`SMALLEST_STEP`] or less: a large holder does not block small ones of its
    /// network.
    pub fn try_reserve(self: &Arc<Self>, source: Source, bytes: usize) -> Option<Reservation> {
        let lets_pass = self.state().lets_pass(source);
        if lets_pass { self.take(source, bytes) } else { None }
    }

    fn take(self: &Arc<Self>, source: Source, bytes: usize) -> Option<Reservation> {
        let mut state = self.state();
        let waits_behind = bytes > SMALLEST_STEP && state.growing_by_source.contains_key(&source);
        if waits_behind || !state.ledger.take(source, bytes) {
            return None;
        }
        state.next += 1;
        self.gauge.set(state.ledger.held() as i64);
        Some(Reservation { pool: self.clone(), source, id: state.next, bytes, waited: Duration::ZERO })
    }

    /// Revokes a reservation for `source`, which holds nothing: of those older than `patience` the
    /// oldest of the source that holds most, and none of a source with a key for one without.
    /// Returns `false` if none may be revoked, or if `bytes` are more than there are.
    fn revoke_for(&self, source: Source, bytes: usize, patience: Duration) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        let State { ledger, revocable, .. } = &mut *state;
        if ledger.held_by(source) > 0 || !ledger.could_fit(source, bytes) {
            return false;
        }
        let is_old = |one: &Revocable| now.saturating_duration_since(one.since) >= patience;
        let may_go = |one: &Revocable| source.has_key || !one.source.has_key;
        let old = revocable.iter().take_while(|(_, one)| is_old(one)).filter(|(_, one)| may_go(one));
        let Some((id, _)) = old.max_by_key(|(id, one)| (ledger.held_by(one.source), Reverse(**id))) else {
            return false;
        };
        let id = *id;
        let holder = revocable.remove(&id).and_then(|one| one.holder.upgrade());
        drop(state);
        holder.inspect(|holder| holder.revoke()); // which returns its bytes, and so locks the state
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns `true` unless `source` must wait behind sources that hold nothing.
    fn lets_pass(&self, source: Source) -> bool {
        self.preferred_waiters == 0 || self.ledger.held_by(source) == 0
    }
}

/// A waiting request of a source that holds nothing, counted until this is dropped.
struct PreferredWaiter<'a>(&'a Pool);

impl<'a> PreferredWaiter<'a> {
    fn new(pool: &'a Pool, source: Source) -> Option<Self> {
        let mut state = pool.state();
        if state.ledger.held_by(source) > 0 || state.revocable.is_empty() {
            return None;
        }
        state.preferred_waiters += 1;
        Some(Self(pool))
    }
}

impl Drop for PreferredWaiter<'_> {
    fn drop(&mut self) {
        self.0.state().preferred_waiters -= 1;
        self.0.changed.notify_waiters();
    }
}

impl Reservation {
    /// Lets the pool take the reservation from `holder`, which owns it.
    pub fn may_be_revoked_from(&self, holder: Weak<dyn Revoke>) {
        let revocable = Revocable { source: self.source, since: Instant::now(), holder };
        self.pool.state().revocable.insert(self.id, revocable);
    }

    /// Returns the number of held bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reserves `bytes` more; `false` if its total time of waiting would exceed `patience`.
    pub async fn grow(&mut self, bytes: usize, patience: Duration) -> bool {
        if self.try_grow(bytes) {
            return true;
        }
        let now = clock::now();
        let begun = now.checked_sub(self.waited).unwrap_or(now);
        let grown = self.waits_to_grow(bytes, begun, patience).await;
        self.waited = clock::now().saturating_duration_since(begun);
        grown
    }

    async fn waits_to_grow(&mut self, bytes: usize, begun: Instant, patience: Duration) -> bool {
        let pool = self.pool.clone();
        let _growing = Growing::new(&pool, self.source, self.id);
        loop {
            let changed = pool.changed.notified();
            if self.try_grow(bytes) {
                return true;
            }
            let waited = clock::now().saturating_duration_since(begun);
            if waited >= patience || waited >= patience / YOUNGEST && self.is_youngest() {
                return false;
            }
            let next = if waited < patience / YOUNGEST { patience / YOUNGEST } else { patience };
            let _ = clock::timeout(next.saturating_sub(waited), changed).await;
        }
    }

    /// Returns `bytes` to the pool, at most all.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        let mut state = self.pool.state();
        state.ledger.give_back(self.source, bytes);
        self.pool.gauge.set(state.ledger.held() as i64);
        drop(state);
        self.bytes -= bytes;
        self.pool.changed.notify_waiters();
    }

    fn try_grow(&mut self, bytes: usize) -> bool {
        let mut state = self.pool.state();
        let taken = state.ledger.take(self.source, bytes);
        if taken {
            self.bytes += bytes;
            self.pool.gauge.set(state.ledger.held() as i64);
        }
        taken
    }

    /// Returns `true` if older holders wait for more too, and no younger one.
    fn is_youngest(&self) -> bool {
        let state = self.pool.state();
        state.growing.len() > 1 && state.growing.last() == Some(&self.id)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.pool.state().revocable.remove(&self.id);
        self.shrink(self.bytes);
    }
}

impl<'a> Growing<'a> {
    fn new(pool: &'a Pool, source: Source, id: u64) -> Self {
        let mut state = pool.state();
        state.growing.insert(id);
        *state.growing_by_source.entry(source).or_default() += 1;
        drop(state);
        pool.changed.notify_waiters(); // another holder may be the youngest now
        Self { pool, source, id }
    }
}

impl Drop for Growing<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        state.growing.remove(&self.id);
        if let Some(growing) = state.growing_by_source.get_mut(&self.source) {
            *growing -= 1;
            if *growing == 0 {
                state.growing_by_source.remove(&self.source);
            }
        }
        drop(state);
        self.pool.changed.notify_waiters();
    }
}

/// The least number of largest bodies that fit the pool: one source alone may hold 3 of 16 parts
/// without a key.
pub const BODIES: usize = 6;

/// The largest piece of an answer in bytes, with everything around a message.
pub const MAX_PIECE: usize = 64 << 10;

/// Returns the bytes of the pool for request bodies: those of `limits.body_bytes`, but no less than
/// [`BODIES`] of the largest messages.
pub fn body_bytes(configured: usize, largest_message: usize) -> usize {
    configured.max(largest_message.saturating_mul(BODIES))
}

/// Returns the bytes of the pool for answers: those of `limits.answer_bytes`, but no less than six
/// of the largest histories, since one source alone may hold 3 of 16 parts without a key; and one
/// piece.
pub fn answer_bytes(configured: usize, largest_history: usize) -> usize {
    configured.max(largest_history.saturating_mul(6)).saturating_add(MAX_PIECE)
}

#[cfg(test)]
mod tests;
