//! Shares, waiters and revocations of a pool.

use super::*;
use futures_util::future::join_all;
use std::net::Ipv4Addr;

const PATIENCE: Duration = Duration::from_millis(800);

fn source(number: u8) -> Source {
    Source::new(Some(Ipv4Addr::new(10, 0, 0, number).into()), false)
}

fn pool(bytes: usize) -> Arc<Pool> {
    Pool::new(bytes, Gauge::default())
}

#[tokio::test]
async fn a_dropped_reservation_is_free_for_a_waiter() {
    let pool = pool(100);
    let first = pool.reserve(source(1), 100, PATIENCE).await.unwrap();
    assert_eq!(pool.gauge.get(), 100);
    let waiting = pool.reserve(source(2), 10, PATIENCE);
    let freed = async { drop(first) };
    assert!(tokio::join!(waiting, freed).0.is_some());
    assert_eq!(pool.gauge.get(), 0);
}

#[tokio::test]
async fn a_waiter_in_vain_is_refused_in_time() {
    let pool = pool(100);
    let _first = pool.reserve(source(1), 100, PATIENCE).await;
    let begun = Instant::now();
    assert!(pool.reserve(source(2), 1, PATIENCE).await.is_none());
    assert!(begun.elapsed() >= PATIENCE);
}

/// A holder whose reservation can be revoked.
#[derive(Debug)]
struct Slow(Mutex<Option<Reservation>>);

impl Revoke for Slow {
    fn revoke(&self) {
        drop(self.0.lock().unwrap().take());
    }
}

fn slow(pool: &Arc<Pool>, number: u8, bytes: usize) -> Arc<Slow> {
    let slow = Arc::new(Slow(Mutex::new(pool.try_reserve(source(number), bytes))));
    let holder: Weak<dyn Revoke> = Arc::downgrade(&slow) as Weak<dyn Revoke>;
    slow.0.lock().unwrap().as_ref().expect("it fits").may_be_revoked_from(holder);
    slow
}

fn holds(slow: &Slow) -> bool {
    slow.0.lock().unwrap().is_some()
}

#[tokio::test]
async fn slow_holders_give_way_to_a_source_that_holds_nothing_and_to_no_other() {
    let pool = pool(100);
    let (most, old) = (slow(&pool, 1, 40), slow(&pool, 2, 15));
    let other = slow(&pool, 3, 15);
    assert!(pool.reserve(source(1), 1, PATIENCE).await.is_none(), "it holds something");
    assert!(holds(&most) && holds(&old));
    let begun = Instant::now();
    let newcomer = pool.reserve(source(4), 20, PATIENCE).await;
    assert!(newcomer.is_some() && begun.elapsed() <= PATIENCE);
    assert_eq!((holds(&most), holds(&old), holds(&other)), (false, true, true), "who holds most");
    assert!(pool.reserve(source(5), 76, PATIENCE).await.is_none(), "there is never so much");
    assert!(holds(&old), "and so nobody gives way for it");
}

#[tokio::test]
async fn a_source_that_holds_something_waits_behind_one_that_holds_nothing() {
    let pool = pool(100);
    let first = slow(&pool, 1, 70);
    let _second = pool.try_reserve(source(2), 1).unwrap();
    let newcomer = pool.reserve(source(3), 30, PATIENCE);
    let other = async {
        tokio::task::yield_now().await;
        assert!(pool.try_reserve(source(2), 1).is_none());
        first.revoke();
    };
    assert!(tokio::join!(newcomer, other).0.is_some());
    assert!(pool.try_reserve(source(2), 1).is_some());
}

#[tokio::test]
async fn a_small_reservation_does_not_wait_behind_one_that_waits_to_grow() {
    let pool = pool(64 << 10);
    let _other = pool.try_reserve(source(2), 10 << 10).unwrap();
    let mut first = pool.try_reserve(source(1), SMALLEST_STEP).unwrap();
    let grows = first.grow(48 << 10, PATIENCE);
    let others = async {
        tokio::task::yield_now().await;
        assert!(pool.try_reserve(source(1), SMALLEST_STEP + 1).is_none());
        assert!(pool.try_reserve(source(1), SMALLEST_STEP).is_some());
    };
    let (grown, ()) = tokio::join!(grows, others);
    assert!(!grown, "it needs more than its share");
}

/// The bodies need the whole pool together, of which one source has a quarter at most; all
/// begin with a part.
#[tokio::test]
async fn many_that_grow_at_once_do_not_wait_for_each_other_for_ever() {
    for sources in [1, 40] {
        let pool = pool(4000);
        let body = async |number: u8| {
            let mut held = pool.reserve(source(number % sources), 10, PATIENCE).await?;
            for _ in 0..9 {
                tokio::task::yield_now().await;
                if !held.grow(10, PATIENCE).await {
                    return None;
                }
            }
            Some(())
        };
        let begun = Instant::now();
        let whole = join_all((0..40).map(body)).await.into_iter().flatten().count();
        assert!(whole >= 3, "{whole} of {sources} sources");
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        let state = pool.state();
        let waiting = (state.growing.len(), state.growing_by_source.len());
        assert_eq!((state.ledger.held(), waiting), (0, (0, 0)));
    }
}
