//! A run over several nodes and one Redis, which are killed, stopped, paused and started again
//! while clients publish. The model is the same: one order, each message once.

use crate::{
    clients::stays,
    model::{Breach, Promise, Verdict},
    plan::{Plan, Visit},
    process::{Launch, Program},
    settings,
    stage::Stage,
};
use fastrand::Rng;
use rustix::process::Signal;
use serde_json::Value;
use std::{rc::Rc, time::Duration};
use testing::{Http, Redis};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// The time within which a node must be ready after a disturbance.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// The time within which all clients must have left.
const LEFT_WITHIN: Duration = Duration::from_secs(20);

/// The pause between two questions to a node.
const PAUSE: Duration = Duration::from_millis(20);

/// The nodes, and Redis.
struct Nodes {
    redis: Redis,
    launch: Launch,
    programs: Vec<Program>,
    rng: Rng,
}

/// An event that clients may notice by the end of a connection, and by nothing else.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    Nothing,
    NodeIsKilled,
    NodeStops,
    NodeStandsStill,
    RedisStandsStill,
    RedisIsGone,
    RedisRestarts { keeps_data: bool },
    SubscriptionsEnd,
    CallsEnd,
}

impl Disturbance {
    fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..16) {
            0..2 => Self::Nothing,
            2..5 => Self::NodeIsKilled,
            5..7 => Self::NodeStops,
            7 => Self::NodeStandsStill,
            8..10 => Self::RedisStandsStill,
            10 => Self::RedisIsGone,
            11 => Self::RedisRestarts { keeps_data: true },
            12..14 => Self::RedisRestarts { keeps_data: false },
            14 => Self::SubscriptionsEnd,
            _ => Self::CallsEnd,
        }
    }
}

/// Plays the main act on so many nodes; `None` if Redis is not installed.
pub async fn play(plan: Plan, seed: u64, nodes: usize) -> Option<(Rc<Stage>, Verdict)> {
    let redis = Redis::start(&[]).await?;
    let launch = settings::launch(plan.workers, plan.pace).settings(&[
        ("backplane.kind", "redis".to_owned()),
        ("backplane.url", redis.url()),
        ("backplane.node_timeout", "5s".to_owned()),
        ("session.stalled_write", "10s".to_owned()), // longer than Redis stands still
        ("history.age", "10m".to_owned()),           // nodes give back to Redis what the history holds
    ]);
    let programs = (0..nodes).map(|_| launch.clone().start()).collect();
    let mut nodes = Nodes { redis, launch, programs, rng: Rng::with_seed(seed) };
    let stage = Rc::new(Stage::new(nodes.programs.iter().map(|node| node.listeners[0]).collect()));
    stage.disturbed.set(true);
    let verdict = tokio::select! {
        biased;
        () = stage.broken.cancelled() => Ok(()), // the stage knows what
        verdict = nodes.play(&plan, &stage) => verdict,
    };
    stage.report().counts(&stage.model());
    if verdict.is_err() || stage.broken.is_cancelled() {
        for (at, node) in nodes.programs.iter().enumerate() {
            println!("the last lines of node {at}:\n{}", node.log.text());
        }
    }
    Some((stage, verdict))
}

impl Nodes {
    async fn play(&mut self, plan: &Plan, stage: &Rc<Stage>) -> Verdict {
        self.are_ready().await?;
        let mut crowd = JoinSet::new();
        begins(&mut crowd, &plan.founders, stage);
        stage.has_begun(plan.founders.iter().map(|visit| visit.room)).await;
        begins(&mut crowd, &plan.residents, stage);
        stage.are_in(plan.founders.len() + plan.residents.len()).await;
        are_placed(stage).await;
        let until = Instant::now() + plan.length;
        while Instant::now() < until {
            let disturbance = Disturbance::draw(&mut self.rng);
            println!("  {disturbance:?}");
            self.disturbs(disturbance, stage).await?;
            are_placed(stage).await;
            stage.model().tidy(std::time::Instant::now());
        }
        stage.silence.cancel();
        stage.settles().await?;
        self.agree(plan).await?;
        stage.leave.cancel();
        let leaving = async { while crowd.join_next().await.is_some() {} };
        timeout(LEFT_WITHIN, leaving).await.map_err(|_| {
            Breach::of(Promise::RightEnd, "all clients", "connections that end", "some that have not")
        })?;
        stage.model().forgets();
        Ok(())
    }

    /// Disturbs, repairs, and waits until all nodes are ready.
    async fn disturbs(&mut self, disturbance: Disturbance, stage: &Stage) -> Verdict {
        let node = self.rng.usize(..self.programs.len());
        match disturbance {
            Disturbance::Nothing => self.waits(200..1000).await,
            Disturbance::NodeIsKilled => {
                self.programs[node].signal(Signal::KILL);
                self.waits(0..800).await;
                self.replaces(node, stage);
            }
            Disturbance::NodeStops => {
                self.programs[node].terminate();
                let exit = self.programs[node].exit(crate::watch::STOPPED_WITHIN).await;
                if exit.and_then(|status| status.code()) != Some(0) {
                    let found = format!("{exit:?}");
                    return Err(Breach::of(Promise::CleanStop, format!("node {node}"), "exit code 0", found));
                }
                self.replaces(node, stage);
            }
            Disturbance::NodeStandsStill => {
                self.programs[node].stands_still();
                self.waits(100..1500).await;
                self.programs[node].continues();
            }
            Disturbance::RedisStandsStill => {
                self.redis.pause();
                self.waits(50..4000).await;
                self.redis.resume();
            }
            Disturbance::RedisIsGone => {
                self.redis.cli(&["SAVE"]).await;
                self.redis.kill().await;
                self.waits(50..2000).await;
                self.redis.restart(true).await;
            }
            Disturbance::RedisRestarts { keeps_data } => self.redis.restart(keeps_data).await,
            Disturbance::SubscriptionsEnd => self.ends_connections("pubsub").await,
            Disturbance::CallsEnd => self.ends_connections("normal").await,
        }
        self.are_ready().await?;
        self.waits(100..600).await;
        Ok(())
    }

    async fn waits(&mut self, milliseconds: std::ops::Range<u64>) {
        sleep(Duration::from_millis(self.rng.u64(milliseconds))).await;
    }

    async fn ends_connections(&self, kind: &str) {
        self.redis.cli(&["CLIENT", "KILL", "TYPE", kind]).await;
    }

    /// Starts a new node in the place of one that has ended.
    fn replaces(&mut self, node: usize, stage: &Stage) {
        self.programs[node] = self.launch.clone().start();
        stage.listeners.borrow_mut()[node] = self.programs[node].listeners[0];
    }

    async fn are_ready(&self) -> Verdict {
        let ready = async {
            for node in &self.programs {
                while !is_ready(node).await {
                    sleep(PAUSE).await;
                }
            }
        };
        let late = |_| Breach::of(Promise::RightEnd, "a node", "/ready with 200", "something else");
        timeout(READY_WITHIN, ready).await.map_err(late)
    }

    /// All nodes give the same history of each room.
    async fn agree(&self, plan: &Plan) -> Verdict {
        for room in plan.founders.iter().map(|visit| visit.room) {
            let mut histories = Vec::new();
            for node in &self.programs {
                let path = format!("/rooms/{room}/messages?last=1000");
                let reply = Http::get(node.listeners[0], &path).try_reply().await;
                let history: Option<Value> =
                    reply.filter(|reply| reply.status == 200).map(|reply| reply.json());
                histories.push(history);
            }
            if histories.iter().any(|history| history.is_none() || *history != histories[0]) {
                let found = histories.iter().map(summary).collect::<Vec<_>>().join("; ");
                return Err(Breach::of(Promise::OneOrder, room, "one history on all nodes", found));
            }
        }
        Ok(())
    }
}

/// Waits until every client has received a message whose place others know, or for too long.
async fn are_placed(stage: &Stage) {
    let placed = async {
        while !stage.model().is_placed() {
            sleep(PAUSE).await;
        }
    };
    let _ = timeout(READY_WITHIN, placed).await; // messages that do not come are noticed at the end
}

async fn is_ready(node: &Program) -> bool {
    Http::get(node.admin, "/ready").try_reply().await.is_some_and(|reply| reply.status == 200)
}

fn summary(history: &Option<Value>) -> String {
    let Some(history) = history else { return "no answer".to_owned() };
    let messages = history["messages"].as_array().map_or(0, Vec::len);
    format!("{messages} messages up to {} of {}", history["offset"], history["epoch"])
}

fn begins(crowd: &mut JoinSet<()>, guests: &[Visit], stage: &Rc<Stage>) {
    for visit in guests {
        crowd.spawn_local(stays(stage.clone(), visit.clone()));
    }
}
