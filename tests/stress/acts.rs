//! The run in three acts: many knock and vanish; clients of all kinds come, talk and go; the server is told
//! to stop in the middle of a talk. After the first two, nothing may be left of those who came.

use crate::{
    clients::visits,
    model::{Breach, Promise, Verdict},
    plan::{Plan, Visit},
    process::Server,
    settings,
    stage::Stage,
    watch::{AtRest, STOPPED_WITHIN, notices_who_is_gone, received_last},
};
use futures_util::future::join_all;
use std::{cell::RefCell, rc::Rc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

/// How long all clients together may take to leave.
const LEFT_WITHIN: Duration = Duration::from_secs(20);

/// How long the last crowd talks before the server is told to stop.
const LAST_TALK: Duration = Duration::from_millis(1200);

/// How long everything beside the talk may take.
const REST_WITHIN: Duration = Duration::from_secs(180);

/// How many knock at the same time.
const KNOCKING_AT_ONCE: usize = 32;

/// How often the model forgets what nobody can hear any more.
const TIDIED_EVERY: Duration = Duration::from_millis(50);

/// Plays all acts against a server of its own.
pub async fn play(plan: Plan) -> (Rc<Stage>, Verdict) {
    let mut server = settings::launch(plan.workers, plan.pace).start();
    let stage = Rc::new(Stage::new(server.listeners.clone()));
    let verdict = tokio::select! {
        biased;
        () = stage.broken.cancelled() => Ok(()), // the stage knows what
        verdict = all_acts(&plan, &mut server, &stage) => verdict,
        () = sleep(plan.length + REST_WITHIN) => Err(takes_too_long()),
    };
    stage.report().counts(&stage.model());
    if verdict.is_err() || stage.broken.is_cancelled() {
        println!("the last lines of the server:\n{}", server.log.text());
    }
    (stage, verdict)
}

fn takes_too_long() -> Breach {
    Breach::of(Promise::RightEnd, "everybody", "an end of the run", "somebody who waits for something")
}

async fn all_acts(plan: &Plan, server: &mut Server, stage: &Stage) -> Verdict {
    server.warms_up().await;
    let at_rest = AtRest::of(server);
    let (knocking, talking, stopping) = (stage.next_act(), stage.next_act(), stage.next_act());
    at_rest.watches(server, stage, knock(plan, server, knocking)).await?;
    at_rest.watches(server, stage, talk(plan, server, talking)).await?;
    stage.report().memory.after = server.memory();
    stop(plan, server, stopping).await
}

/// Many come to the door, or a little further, and are gone again.
async fn knock(plan: &Plan, server: &Server, stage: Rc<Stage>) -> Verdict {
    let mut crowd = JoinSet::new();
    founds(&mut crowd, &plan.founders, &stage).await;
    let knocks = RefCell::new(plan.knocks.iter());
    let next = || knocks.borrow_mut().next();
    let lane = || async {
        while let Some(visit) = next() {
            visits(stage.clone(), visit.clone()).await;
        }
    };
    join_all((0..KNOCKING_AT_ONCE).map(|_| lane())).await;
    everybody_leaves(crowd, server, &stage).await
}

/// Everybody comes, talks, and leaves.
async fn talk(plan: &Plan, server: &Server, stage: Rc<Stage>) -> Verdict {
    let (mut crowd, began) = (JoinSet::new(), Instant::now());
    founds(&mut crowd, &plan.founders, &stage).await;
    comes(&mut crowd, &plan.residents, &stage).await;
    comes(&mut crowd, &plan.passers_by, &stage).await;
    sleep_until(began + plan.length).await;
    everybody_leaves(crowd, server, &stage).await
}

/// The server is told to stop while everybody talks.
async fn stop(plan: &Plan, server: &mut Server, stage: Rc<Stage>) -> Verdict {
    let mut crowd = JoinSet::new();
    founds(&mut crowd, &plan.last_founders, &stage).await;
    comes(&mut crowd, &plan.last_crowd, &stage).await;
    stage.are_in(plan.last_founders.len() + plan.last_crowd.len()).await;
    let passers_by = async {
        comes(&mut crowd, &plan.last_passers_by, &stage).await;
        everybody_has_left(crowd).await
    };
    let stop = async {
        sleep(LAST_TALK).await;
        stage.stopping.set(true);
        is_told_to_stop(server, &stage).await
    };
    let (received, all_left) = tokio::join!(stop, passers_by);
    all_left?;
    is_all_heard(received?, stage.model().accepted)
}

/// The server ends as it should; how many messages it had received.
async fn is_told_to_stop(server: &mut Server, stage: &Stage) -> Result<u64, Breach> {
    server.terminate();
    let told = Instant::now();
    let received = tokio::task::spawn_local(received_last(server.admin));
    let exit = server.exit(STOPPED_WITHIN).await;
    stage.stopped.cancel();
    stage.report().stopped_after = told.elapsed();
    match exit {
        Some(status) if status.code() == Some(0) => Ok(received.await.unwrap_or_default()),
        other => {
            let expected = format!("exit code 0 within {STOPPED_WITHIN:?}");
            Err(Breach::of(Promise::CleanStop, "the server", expected, format!("{other:?}")))
        }
    }
}

fn is_all_heard(received: u64, heard: u64) -> Verdict {
    if received <= heard {
        return Ok(());
    }
    let expected = format!("the {received} messages that the server has received");
    Err(Breach::of(
        Promise::AcceptedIsDelivered,
        "everybody",
        expected,
        format!("{heard} that anybody heard"),
    ))
}

/// The first client of each room, there before anybody else comes.
async fn founds(crowd: &mut JoinSet<()>, founders: &[Visit], stage: &Rc<Stage>) {
    comes(crowd, founders, stage).await;
    stage.has_begun(founders.iter().map(|visit| visit.room)).await;
}

/// Each of `guests` comes at its time.
async fn comes(crowd: &mut JoinSet<()>, guests: &[Visit], stage: &Rc<Stage>) {
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

/// Nobody says anything any more, everybody hears the rest, and goes.
async fn everybody_leaves(crowd: JoinSet<()>, server: &Server, stage: &Stage) -> Verdict {
    stage.silence.cancel();
    notices_who_is_gone(server, stage).await?; // what they said last is delivered then
    stage.settles().await?;
    stage.farewell.cancel();
    everybody_has_left(crowd).await?;
    stage.model().forgets();
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
