//! Connections are spread over the worker threads, and stay so.

use crate::{
    process::Launch,
    support::{Client, eventually},
};

/// Pipes and listeners that a thread waits for beside its clients.
const OWN: usize = 4;

#[tokio::test]
async fn threads_stay_balanced_after_clients_leave() {
    let server = Launch::with(&[("workers", "2")]).start();
    let watched = || server.watched().iter().sum::<usize>();
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(Client::joins(&server, "/").await);
    }

    let all = watched();
    // Of one thread alone, if they took turns.
    let mut clients: Vec<_> = clients.into_iter().step_by(2).collect();
    eventually("half of them to be gone", || watched() == all - 10).await;
    for _ in 0..10 {
        clients.push(Client::joins(&server, "/").await);
    }

    let mut watched = server.watched();
    watched.sort_unstable_by(|a, b| b.cmp(a));
    assert!(watched[1] >= 10, "{watched:?}");
    assert!(watched[0] <= 10 + OWN, "{watched:?}");
}
