//! The run in two acts: a long one in which clients come and go, and the server's stop in the middle of a talk.

use crate::{
    clients::visits,
    model::{Breach, Promise, Verdict},
    plan::Plan,
    process::Server,
    settings,
    stage::Stage,
    watch::{AtRest, STOPPED_WITHIN, received_last},
};
use std::{pin::pin, rc::Rc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

/// How long all clients together may take to leave.
const LEFT_WITHIN: Duration = Duration::from_secs(20);

/// How long the last crowd talks before the server is told to stop.
const LAST_TALK: Duration = Duration::from_millis(1200);

/// Plays both acts against a server of its own.
pub async fn play(plan: Plan, length: Duration) -> (Rc<Stage>, Verdict) {
    let mut server = settings::launch(plan.workers).start();
    let first = Rc::new(Stage::new(server.listeners.clone()));
    let verdict = both_acts(&plan, length, &mut server, &first).await;
    first.report().counts(&first.model());
    if verdict.is_err() || first.broken.is_cancelled() {
        println!("the last lines of the server:\n{}", server.log.text());
    }
    (first, verdict)
}

async fn both_acts(plan: &Plan, length: Duration, server: &mut Server, first: &Rc<Stage>) -> Verdict {
    server.warms_up().await;
    let at_rest = AtRest::of(server);
    let broken = first.broken.clone();
    tokio::select! {
        biased;
        () = broken.cancelled() => return Ok(()),
        breach = at_rest.watches(server, first) => return Err(breach),
        verdict = talk(plan, length, first) => verdict?,
    }
    first.model().tidy(std::time::Instant::now() + Duration::from_secs(60));
    let accepted = first.model().accepted;
    at_rest.is_restored(server, accepted).await?;
    first.report().memory.after = server.memory();
    let last = Rc::new(first.next_act());
    tokio::select! {
        biased;
        () = broken.cancelled() => Ok(()),
        verdict = stop(plan, server, &last) => verdict,
    }
}

/// Everybody comes, talks, and leaves.
async fn talk(plan: &Plan, length: Duration, stage: &Rc<Stage>) -> Verdict {
    let mut crowd = founders(plan, stage).await;
    let began = Instant::now();
    for visit in plan.residents.iter().chain(&plan.passers_by) {
        let mut tidy = pin!(sleep_until(began + visit.at));
        while timeout(Duration::from_millis(50), &mut tidy).await.is_err() {
            stage.model().tidy(std::time::Instant::now());
        }
        crowd.spawn_local(visits(stage.clone(), visit.clone()));
        while crowd.try_join_next().is_some() {}
    }
    sleep_until(began + length).await;
    stage.silence.cancel();
    sleep(Duration::from_millis(10)).await;
    stage.settles().await?;
    stage.farewell.cancel();
    everybody_has_left(crowd).await
}

/// The first client of each room, there before anybody else comes.
async fn founders(plan: &Plan, stage: &Rc<Stage>) -> JoinSet<()> {
    let mut founders = JoinSet::new();
    for visit in &plan.founders {
        founders.spawn_local(visits(stage.clone(), visit.clone()));
    }
    let rooms: Vec<_> = plan.founders.iter().map(|visit| visit.room).collect();
    stage.has_begun(&rooms).await;
    founders
}

/// The server is told to stop while everybody talks.
async fn stop(plan: &Plan, server: &mut Server, stage: &Rc<Stage>) -> Verdict {
    let mut crowd = founders(plan, stage).await;
    for visit in &plan.last_crowd {
        crowd.spawn_local(visits(stage.clone(), visit.clone()));
    }
    sleep(LAST_TALK).await;
    stage.stopping.set(true);
    server.terminate();
    let told = Instant::now();
    let received = tokio::task::spawn_local(received_last(server.admin));
    let exit = server.exit(STOPPED_WITHIN).await;
    stage.report().stopped_after = told.elapsed();
    match exit {
        Some(status) if status.code() == Some(0) => {}
        other => {
            let expected = format!("exit code 0 within {STOPPED_WITHIN:?}");
            return Err(Breach::of(Promise::CleanStop, "the server", expected, format!("{other:?}")));
        }
    }
    everybody_has_left(crowd).await?;
    let (received, accepted) = (received.await.unwrap_or_default(), stage.model().accepted);
    if received > accepted {
        let found = format!("{accepted} that anybody heard");
        let expected = format!("at least the {received} messages that the server has received");
        return Err(Breach::of(Promise::AcceptedIsDelivered, "the server", expected, found));
    }
    Ok(())
}

async fn everybody_has_left(mut crowd: JoinSet<()>) -> Verdict {
    let leaving = async { while crowd.join_next().await.is_some() {} };
    if timeout(LEFT_WITHIN, leaving).await.is_ok() {
        return Ok(());
    }
    let found = format!("{} clients whose connections have not", crowd.len());
    Err(Breach::of(Promise::RightEnd, "everybody", "connections that end", found))
}
