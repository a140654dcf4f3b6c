//! The two connections to a server: one for calls, one for what is published.

use super::failure::Failure;
use crate::{
    backplane::redis::{
        call::{Call, Life, Outgoing, Reply},
        entry::NodeId,
        scripts::{self, Keys, LifeReply},
    },
    config::{BackplaneSettings, RoomName},
    metrics::Metrics,
};
use redis::{Cmd, FromRedisValue, Pipeline, PushKind, Value, aio::MultiplexedConnection, from_redis_value};
use std::{
    cell::RefCell,
    collections::HashSet,
    slice,
    sync::Arc,
    time::{Duration, Instant},
};

/// Both connections, and what is known of them.
pub struct Connection {
    calls: MultiplexedConnection,
    subscriber: MultiplexedConnection,
    keys: Keys,
    prefix: String,
    /// The channel of the probes of this node.
    probe: String,
    words: &'static Words,
    pub node: NodeId,
    pub node_timeout: Duration,
    life: RefCell<Option<Life>>,
    /// Channels whose subscription is ended by the node.
    ending: RefCell<HashSet<String>>,
    metrics: Arc<Metrics>,
}

/// The parts of a connection.
pub struct Parts<'a> {
    pub calls: MultiplexedConnection,
    pub subscriber: MultiplexedConnection,
    pub settings: &'a BackplaneSettings,
    pub node: NodeId,
    pub is_sharded: bool,
    pub metrics: Arc<Metrics>,
}

/// The commands of channels.
struct Words {
    publish: &'static str,
    subscribe: &'static str,
    subscribed: PushKind,
    unsubscribe: &'static str,
    unsubscribed: PushKind,
}

static SHARDED: Words = Words {
    publish: "SPUBLISH",
    subscribe: "SSUBSCRIBE",
    subscribed: PushKind::SSubscribe,
    unsubscribe: "SUNSUBSCRIBE",
    unsubscribed: PushKind::SUnsubscribe,
};

static PLAIN: Words = Words {
    publish: "PUBLISH",
    subscribe: "SUBSCRIBE",
    subscribed: PushKind::Subscribe,
    unsubscribe: "UNSUBSCRIBE",
    unsubscribed: PushKind::Unsubscribe,
};

impl Connection {
    pub fn new(parts: Parts<'_>) -> Self {
        let Parts { calls, subscriber, settings, node, is_sharded, metrics } = parts;
        Self {
            calls,
            subscriber,
            keys: Keys::new(&settings.prefix, is_sharded, settings.restore),
            prefix: settings.prefix.clone(),
            probe: format!("{}probe:{node}", settings.prefix),
            words: if is_sharded { &SHARDED } else { &PLAIN },
            node,
            node_timeout: settings.node_timeout,
            life: RefCell::default(),
            ending: RefCell::default(),
            metrics,
        }
    }

    /// A key that belongs to no room.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The sets of all rooms in which `node` has clients.
    pub fn rooms_of_node(&self, node: NodeId) -> Vec<String> {
        self.keys.rooms_of_node(node).collect()
    }

    /// The room of a channel.
    pub fn room_of(&self, channel: &[u8]) -> Option<RoomName> {
        self.keys.room_of(channel)
    }

    /// The number of a probe that came back.
    pub fn probe_number(&self, channel: &[u8], payload: &[u8]) -> Option<u64> {
        let number = || std::str::from_utf8(payload).ok()?.parse().ok();
        (channel == self.probe.as_bytes()).then(number)?
    }

    /// The room whose subscription has ended by itself; `None` if the node has ended it.
    pub fn lost_subscription(&self, channel: &[u8]) -> Option<RoomName> {
        let channel = std::str::from_utf8(channel).ok()?;
        let is_expected = self.ending.borrow_mut().remove(channel);
        (!is_expected).then(|| self.keys.room_of(channel.as_bytes()))?
    }

    /// Takes `life` for that of the server; true if it was another one before.
    pub fn believes(&self, life: Life) -> bool {
        let before = self.life.replace(Some(life));
        before.is_some() && before != *self.life.borrow()
    }

    /// Loads all scripts.
    ///
    /// # Errors
    /// As all that follow: [`Failure`] if the server does not answer as it should.
    pub async fn load_scripts(&self) -> Result<(), Failure> {
        let mut load = Pipeline::new();
        let count = append_loads(&mut load);
        self.ask_all(&load, count).await?;
        Ok(())
    }

    /// Asks which process the server is.
    pub async fn life(&self) -> Result<(Life, Duration), Failure> {
        let mut ask = Pipeline::new();
        ask.add_command(self.keys.life_command());
        life_of(self.ask_all(&ask, 1).await?.remove(0))
    }

    /// Publishes a probe, and asks which process the server is.
    pub async fn probe(&self, number: u64) -> Result<(Life, Duration), Failure> {
        let mut ask = Pipeline::new();
        ask.add_command(self.keys.life_command());
        ask.cmd(self.words.publish).arg(&self.probe).arg(number);
        life_of(self.ask_all(&ask, 2).await?.remove(0))
    }

    /// Subscribes to the channel of the probes of this node.
    pub async fn subscribe_probe(&self) -> Result<(), Failure> {
        self.change(self.words.subscribe, &self.words.subscribed, slice::from_ref(&self.probe)).await
    }

    /// Carries out [`Call::Subscribe`] and [`Call::Unsubscribe`]: resolves when the server has
    /// confirmed each.
    pub async fn change_subscriptions(&self, call: &Call) -> Result<(), Failure> {
        let channels = |rooms: &[RoomName]| rooms.iter().map(|room| self.keys.channel(room)).collect();
        match call {
            Call::Subscribe(rooms) => {
                let channels: Vec<String> = channels(rooms);
                self.change(self.words.subscribe, &self.words.subscribed, &channels).await
            }
            Call::Unsubscribe(rooms) => {
                let channels: Vec<String> = channels(rooms);
                self.ending.borrow_mut().extend(channels.iter().cloned());
                self.change(self.words.unsubscribe, &self.words.unsubscribed, &channels).await
            }
            _ => Ok(()),
        }
    }

    /// Changes subscriptions one by one: each channel has a confirmation of its own, which must name
    /// it.
    async fn change(&self, word: &str, expected: &PushKind, channels: &[String]) -> Result<(), Failure> {
        if channels.is_empty() {
            return Ok(());
        }
        let mut commands = Pipeline::with_capacity(channels.len());
        for channel in channels {
            commands.cmd(word).arg(channel);
        }
        let confirmations = send(&self.subscriber, &commands, channels.len()).await?;
        for (channel, confirmation) in channels.iter().zip(confirmations) {
            match confirmation {
                Value::ServerError(error) => return Err(Failure::of_error(&error)),
                Value::Push { kind, data } if kind == *expected => match data.first() {
                    Some(Value::BulkString(name)) if name == channel.as_bytes() => {}
                    _ => {
                        return Err(Failure::Unexpected(format!(
                            "a confirmation of another channel: {data:?}"
                        )));
                    }
                },
                other => return Err(Failure::Unexpected(format!("{other:?} to {word}"))),
            }
        }
        Ok(())
    }

    /// Carries out calls of scripts in their order, in one write, and returns their replies.
    pub async fn run(&self, calls: &[Outgoing]) -> Result<Vec<Reply>, Failure> {
        let began = Instant::now();
        let calls: Vec<_> = calls.iter().map(|outgoing| &outgoing.call).collect();
        let replies = self.run_as(self.node, &calls).await?;
        for call in &calls {
            if let Call::Publish(publish) = call {
                self.metrics.backplane_publish_seconds.observe(began.elapsed().as_secs_f64());
                self.metrics.backplane_batch_messages.observe(publish.messages.len() as f64);
            }
        }
        Ok(replies)
    }

    /// As [`Connection::run`], for another node.
    pub async fn run_as(&self, node: NodeId, calls: &[&Call]) -> Result<Vec<Reply>, Failure> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands = Pipeline::with_capacity(calls.len());
        for call in calls {
            commands.add_command(self.command(node, call));
        }
        let mut values = send(&self.calls, &commands, calls.len()).await?;
        self.run_unknown(node, calls, &mut values).await?;
        let replies = calls.iter().zip(values).map(|(call, value)| match value {
            Value::ServerError(error) => Err(Failure::of_error(&error)),
            value => scripts::read(call, value).map_err(|error| Failure::Unexpected(error.to_string())),
        });
        replies.collect()
    }

    /// Loads the scripts again if the server has forgotten them (SCRIPT FLUSH), and repeats the
    /// calls that it did not know.
    async fn run_unknown(&self, node: NodeId, calls: &[&Call], values: &mut [Value]) -> Result<(), Failure> {
        let is_unknown =
            |value: &Value| matches!(value, Value::ServerError(error) if error.code() == "NOSCRIPT");
        let unknown: Vec<_> = (0..values.len()).filter(|at| is_unknown(&values[*at])).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let mut commands = Pipeline::new();
        let loads = append_loads(&mut commands);
        for at in &unknown {
            commands.add_command(self.command(node, calls[*at]));
        }
        let again = send(&self.calls, &commands, loads + unknown.len()).await?;
        for (at, value) in unknown.into_iter().zip(again.into_iter().skip(loads)) {
            values[at] = value;
        }
        Ok(())
    }

    fn command(&self, node: NodeId, call: &Call) -> Cmd {
        self.keys.command(node, call).unwrap_or_else(|| self.keys.life_command())
    }

    /// The answer to a command.
    pub async fn ask<T: FromRedisValue>(&self, command: Cmd) -> Result<T, Failure> {
        let mut commands = Pipeline::new();
        commands.add_command(command);
        read(self.ask_all(&commands, 1).await?.remove(0))
    }

    /// The answers to commands, none of which may be an error.
    pub async fn ask_all(&self, commands: &Pipeline, count: usize) -> Result<Vec<Value>, Failure> {
        let values = send(&self.calls, commands, count).await?;
        match values.iter().find_map(|value| match value {
            Value::ServerError(error) => Some(Failure::of_error(error)),
            _ => None,
        }) {
            Some(failure) => Err(failure),
            None => Ok(values),
        }
    }
}

/// Sends commands in one write; each of the `count` answers may be an error.
async fn send(
    connection: &MultiplexedConnection,
    commands: &Pipeline,
    count: usize,
) -> Result<Vec<Value>, Failure> {
    let values = connection.clone().send_packed_commands(commands, 0, count).await;
    let values = values.map_err(|error| Failure::of_call(&error))?;
    match values.len() == count {
        true => Ok(values),
        false => Err(Failure::Unexpected(format!("{} answers to {count} commands", values.len()))),
    }
}

/// Appends SCRIPT LOAD of every script; returns their number.
fn append_loads(commands: &mut Pipeline) -> usize {
    for script in scripts::ALL.iter() {
        commands.cmd("SCRIPT").arg("LOAD").arg(script.source);
    }
    scripts::ALL.len()
}

fn life_of(value: Value) -> Result<(Life, Duration), Failure> {
    match scripts::read_life(value) {
        Ok(LifeReply { life, restore, .. }) => Ok((life, restore)),
        Err(error) => Err(Failure::Unexpected(error.to_string())),
    }
}

/// Reads an answer of the server.
pub fn read<T: FromRedisValue>(value: Value) -> Result<T, Failure> {
    from_redis_value(value).map_err(|error| Failure::Unexpected(error.to_string()))
}
