//! The run in three acts: many clients connect and disconnect; clients of all kinds publish; the
//! server is told to stop while clients publish. After each of the first two, nothing may be left
//! of the clients.

use crate::{
    clients::visits,
    model::{Breach, Promise, Verdict},
    plan::{Plan, Visit},
    process::Server,
    settings,
    stage::Stage,
    watch::{AtRest, STOPPED_WITHIN, notices_disconnects, received_last},
};
use futures_util::future::join_all;
use std::{cell::RefCell, rc::Rc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

/// The time within which all clients must have left.
const LEFT_WITHIN: Duration = Duration::from_secs(20);

/// The length of the last act before the server is told to stop.
const LAST_ACT: Duration = Duration::from_millis(1200);

/// The time that everything beside the main act may take.
const REST_WITHIN: Duration = Duration::from_secs(180);

/// Clients that connect at the same time.
const ARRIVING_AT_ONCE: usize = 32;

/// The interval at which the model forgets messages that no client can receive any more.
const TIDIED_EVERY: Duration = Duration::from_millis(50);

/// Plays all acts against a server of its own.
pub async fn play(plan: Plan) -> (Rc<Stage>, Verdict) {
    let mut server = settings::launch(plan.workers, plan.pace).start();
    let stage = Rc::new(Stage::new(server.listeners.clone()));
    let verdict = tokio::select! {
        biased;
        () = stage.broken.cancelled() => Ok(()), // the stage knows what
        verdict = all_acts(&plan, &mut server, &stage) => verdict,
        () = sleep(plan.length + REST_WITHIN) => Err(timed_out()),
    };
    stage.report().counts(&stage.model());
    if verdict.is_err() || stage.broken.is_cancelled() {
        println!("the last lines of the server:\n{}", server.log.text());
    }
    (stage, verdict)
}

fn timed_out() -> Breach {
    Breach::of(Promise::RightEnd, "all clients", "an end of the run", "a client that still waits")
}

async fn all_acts(plan: &Plan, server: &mut Server, stage: &Stage) -> Verdict {
    server.warms_up().await;
    let at_rest = AtRest::of(server);
    let (arriving, talking, stopping) = (stage.next_act(), stage.next_act(), stage.next_act());
    at_rest.watches(server, stage, arrive(plan, server, arriving)).await?;
    at_rest.watches(server, stage, play_main_act(plan, server, talking)).await?;
    stage.report().memory.after = server.memory();
    stop(plan, server, stopping).await
}

/// Many clients connect and disconnect at an early stage.
async fn arrive(plan: &Plan, server: &Server, stage: Rc<Stage>) -> Verdict {
    let mut crowd = JoinSet::new();
    founds(&mut crowd, &plan.founders, &stage).await;
    let arrivals = RefCell::new(plan.arrivals.iter());
    let next = || arrivals.borrow_mut().next();
    let lane = || async {
        while let Some(visit) = next() {
            visits(stage.clone(), visit.clone()).await;
        }
    };
    join_all((0..ARRIVING_AT_ONCE).map(|_| lane())).await;
    all_leave(crowd, server, &stage).await
}

/// All clients join, publish, and leave.
async fn play_main_act(plan: &Plan, server: &Server, stage: Rc<Stage>) -> Verdict {
    let (mut crowd, began) = (JoinSet::new(), Instant::now());
    founds(&mut crowd, &plan.founders, &stage).await;
    starts(&mut crowd, &plan.residents, &stage).await;
    starts(&mut crowd, &plan.visitors, &stage).await;
    sleep_until(began + plan.length).await;
    all_leave(crowd, server, &stage).await
}

/// The server is told to stop while all clients publish.
async fn stop(plan: &Plan, server: &mut Server, stage: Rc<Stage>) -> Verdict {
    let mut crowd = JoinSet::new();
    founds(&mut crowd, &plan.last_founders, &stage).await;
    starts(&mut crowd, &plan.last_crowd, &stage).await;
    stage.are_in(plan.last_founders.len() + plan.last_crowd.len()).await;
    let visitors = async {
        starts(&mut crowd, &plan.last_visitors, &stage).await;
        all_have_left(crowd).await
    };
    let stop = async {
        sleep(LAST_ACT).await;
        stage.stopping.set(true);
        is_stopped(server, &stage).await
    };
    let (received, all_left) = tokio::join!(stop, visitors);
    all_left?;
    is_all_delivered(received?, stage.model().accepted)
}

/// Checks the end of the server; returns the number of messages that it had received.
async fn is_stopped(server: &mut Server, stage: &Stage) -> Result<u64, Breach> {
    server.terminate();
    let stopped = Instant::now();
    let received = tokio::task::spawn_local(received_last(server.admin));
    let exit = server.exit(STOPPED_WITHIN).await;
    stage.stopped.cancel();
    stage.report().stopped_after = stopped.elapsed();
    match exit {
        Some(status) if status.code() == Some(0) => Ok(received.await.unwrap_or_default()),
        other => {
            let expected = format!("exit code 0 within {STOPPED_WITHIN:?}");
            Err(Breach::of(Promise::CleanStop, "the server", expected, format!("{other:?}")))
        }
    }
}

fn is_all_delivered(received: u64, accepted: u64) -> Verdict {
    if received <= accepted {
        return Ok(());
    }
    let expected = format!("the {received} messages that the server has received");
    Err(Breach::of(
        Promise::AcceptedIsDelivered,
        "all clients",
        expected,
        format!("{accepted} that any client received"),
    ))
}

/// The first client of each room, before any other.
async fn founds(crowd: &mut JoinSet<()>, founders: &[Visit], stage: &Rc<Stage>) {
    starts(crowd, founders, stage).await;
    stage.has_begun(founders.iter().map(|visit| visit.room)).await;
}

/// Starts each of `guests` at its time.
async fn starts(crowd: &mut JoinSet<()>, guests: &[Visit], stage: &Rc<Stage>) {
    let began = Instant::now();
    for visit in guests {
        while Instant::now() < began + visit.at {
            let _ = timeout_at(began + visit.at, sleep(TIDIED_EVERY)).await;
            stage.model().tidy(std::time::Instant::now());
        }
        crowd.spawn_local(visits(stage.clone(), visit.clone()));
        while crowd.try_join_next().is_some() {}
    }
}

/// All clients become silent, receive the rest, and leave.
async fn all_leave(crowd: JoinSet<()>, server: &Server, stage: &Stage) -> Verdict {
    stage.silence.cancel();
    notices_disconnects(server, stage).await?; // their last messages are delivered then
    stage.settles().await?;
    stage.leave.cancel();
    all_have_left(crowd).await?;
    stage.model().forgets();
    Ok(())
}

async fn all_have_left(mut crowd: JoinSet<()>) -> Verdict {
    let leaving = async { while crowd.join_next().await.is_some() {} };
    if timeout(LEFT_WITHIN, leaving).await.is_ok() {
        return Ok(());
    }
    let found = format!("{} clients whose connections have not", crowd.len());
    Err(Breach::of(Promise::RightEnd, "all clients", "connections that end", found))
}
