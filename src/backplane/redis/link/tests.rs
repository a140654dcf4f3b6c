//! The link against a real server.

use super::*;
use crate::{
    backplane::redis::{
        call::{CallId, Fetch, Life, Members, Publish, Push},
        entry::{Sequence, StoredMessage},
    },
    config::RoomName,
    history::{Audience, Epoch, HistoryLimits},
    ids::SpeakerId,
    wire::Payload,
};
use std::{path::Path, time::SystemTime};
use testing::{Redis, SilentProxy, within};
use tokio::sync::{mpsc::UnboundedReceiver, watch};

/// A hub that hands on what it is sent; it handles one list at a time while it is held.
struct TestHub {
    events: mpsc::UnboundedSender<LinkEvent>,
    /// Lists wait while this is true.
    held: watch::Receiver<bool>,
}

impl Actor for TestHub {
    type Context = Context<Self>;
}

impl Handler<FromLink> for TestHub {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, FromLink(events): FromLink, _: &mut Self::Context) -> Self::Result {
        let (sender, mut held) = (self.events.clone(), self.held.clone());
        Box::pin(async move {
            let _ = held.wait_for(|held| !held).await;
            events.into_iter().for_each(|event| {
                let _ = sender.send(event);
            });
        })
    }
}

/// A node: its link, and what its hub is sent.
struct TestNode {
    id: NodeId,
    link: LinkHandle,
    events: UnboundedReceiver<LinkEvent>,
    /// Events that no test has asked for yet.
    kept: VecDeque<LinkEvent>,
    holds: watch::Sender<bool>,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    tokens: SessionTokens,
    calls: u64,
}

impl TestNode {
    fn try_start(settings: &BackplaneSettings) -> Result<Self, SetupError> {
        let id = NodeId::random();
        let (sender, events) = mpsc::unbounded_channel();
        let (holds, held) = watch::channel(false);
        let hub = TestHub { events: sender, held }.start();
        let (metrics, readiness, tokens) = <(Arc<Metrics>, Readiness, SessionTokens)>::default();
        let (link, handle) = Link::new(settings.clone(), id);
        link.start(hub.recipient(), metrics.clone(), readiness.clone(), Some(tokens.clone()))?;
        Ok(Self {
            id,
            link: handle,
            events,
            kept: VecDeque::new(),
            holds,
            metrics,
            readiness,
            tokens,
            calls: 0,
        })
    }

    fn start(settings: &BackplaneSettings) -> Self {
        Self::try_start(settings).expect("a server that can be used")
    }

    /// The first event for which `pick` has an answer; the others are kept for later.
    async fn hears<T>(&mut self, what: &str, pick: impl Fn(LinkEvent) -> Option<T>) -> T {
        within(what, async {
            for at in 0.. {
                if at == self.kept.len() {
                    self.kept.push_back(self.events.recv().await.expect("the link runs"));
                }
                if let Some(found) = pick(self.kept[at].clone()) {
                    self.kept.remove(at);
                    return found;
                }
            }
            unreachable!("it waits for events")
        })
        .await
    }

    async fn is_connected(&mut self) -> Life {
        self.hears("a connect", |event| match event {
            LinkEvent::Connected { life, .. } => Some(life),
            _ => None,
        })
        .await
    }

    async fn is_disconnected(&mut self) {
        self.hears("an end of the connection", |event| {
            matches!(event, LinkEvent::Disconnected).then_some(())
        })
        .await;
    }

    async fn is_reaped(&mut self) {
        self.hears("the news of its end", |event| matches!(event, LinkEvent::Reaped).then_some(())).await;
    }

    async fn hears_members(&mut self, of: NodeId) -> (Sequence, usize, Vec<SpeakerId>, Vec<SpeakerId>) {
        self.hears("a change of members", |event| match event {
            LinkEvent::Pushed(_, Push::Members { node, sequence, clients, joined, left }) if node == of => {
                Some((sequence, clients, joined, left))
            }
            _ => None,
        })
        .await
    }

    async fn calls(&mut self, call: Call) -> Reply {
        let id = self.sends(call);
        self.hears("a reply", |event| match event {
            LinkEvent::Replied(of, reply) if of == id => Some(reply),
            _ => None,
        })
        .await
    }

    fn sends(&mut self, call: Call) -> CallId {
        self.calls += 1;
        let id = CallId(self.calls);
        self.link.send(vec![Outgoing { id, call }]);
        id
    }

    async fn subscribes(&mut self) {
        assert_eq!(self.calls(Call::Subscribe(vec![room()])).await, Reply::Done);
    }
}

fn settings(redis: &Redis) -> BackplaneSettings {
    BackplaneSettings {
        url: redis.url().parse().unwrap(),
        node_timeout: Duration::from_secs(1),
        restore: Duration::ZERO,
        ..Default::default()
    }
}

fn room() -> RoomName {
    "news".parse().unwrap()
}

fn limits() -> HistoryLimits {
    HistoryLimits { messages: 10, age: Duration::from_secs(60), bytes: 1 << 20 }
}

fn publish(life: &Life, sequence: u64, bytes: usize) -> Call {
    Call::Publish(Publish {
        room: room(),
        life: life.clone(),
        sequence: Sequence(sequence),
        messages: vec![StoredMessage {
            payload: Payload::Text("x".repeat(bytes).into()),
            who: None,
            audience: Audience::Everyone,
            time: SystemTime::now(),
        }],
        key: None,
        limits: limits(),
        epoch: Epoch::from_u64(1).unwrap(),
    })
}

fn members(sequence: u64, clients: usize, joined: Vec<SpeakerId>) -> Call {
    let (left, whole) = (Vec::new(), false);
    Call::Members(Members { room: room(), sequence: Sequence(sequence), clients, joined, left, whole })
}

#[actix::test]
async fn calls_are_answered_and_publications_pushed() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let mut node = TestNode::start(&settings(&redis));
    let life = node.is_connected().await;
    assert_eq!(node.readiness.reasons(), []);
    node.subscribes().await;
    let Reply::Published { until, .. } = node.calls(publish(&life, 1, 5)).await else { panic!() };
    node.link.send(vec![Outgoing { id: CallId(90), call: Call::GetLife }]);
    let (of, entry) = node
        .hears("the batch", |event| match event {
            LinkEvent::Pushed(room, Push::Messages(entry)) => Some((room, entry)),
            _ => None,
        })
        .await;
    assert_eq!((of, entry.until, entry.node), (room(), until, node.id));
    assert_eq!(node.calls(Call::Unsubscribe(vec![room()])).await, Reply::Done);
    let metrics = node.metrics.text().unwrap();
    for line in ["worldcast_backplane_up 1", "worldcast_backplane_batch_messages_sum 1.0"] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[actix::test]
async fn a_server_that_restarts_empty_is_connected_to_anew() {
    let Some(mut redis) = Redis::start(&[]).await else { return };
    let mut node = TestNode::start(&settings(&redis));
    let life = node.is_connected().await;
    redis.kill().await;
    node.is_disconnected().await;
    assert_eq!(node.readiness.reasons(), [crate::readiness::NotReady::Backplane]);
    redis.restart(false).await;
    assert_ne!(node.is_connected().await, life);
    node.is_reaped().await; // its clients are lost too
    node.subscribes().await;
    assert_eq!(node.readiness.reasons(), []);
    let text = node.metrics.text().unwrap();
    assert!(text.contains("worldcast_backplane_reconnects_total 1\n"), "{text}");
}

#[actix::test]
async fn a_call_without_an_answer_ends_the_connection() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let settings = BackplaneSettings { timeout: Duration::from_millis(200), ..settings(&redis) };
    let mut node = TestNode::start(&settings);
    let life = node.is_connected().await;
    redis.pause();
    node.sends(publish(&life, 1, 1));
    node.is_disconnected().await;
    redis.resume();
    assert_eq!(node.is_connected().await, life, "the same process");
    assert!(matches!(node.calls(publish(&life, 2, 1)).await, Reply::Published { .. }));
}

#[actix::test]
async fn a_server_that_cannot_write_is_connected_to_anew() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let mut node = TestNode::start(&settings(&redis));
    let life = node.is_connected().await;
    redis.cli(&["REPLICAOF", "127.0.0.1", "1"]).await;
    node.sends(publish(&life, 1, 1));
    node.is_disconnected().await;
    redis.cli(&["REPLICAOF", "NO", "ONE"]).await;
    node.is_connected().await;
}

#[actix::test]
async fn scripts_that_the_server_forgets_are_loaded_again() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let mut node = TestNode::start(&settings(&redis));
    let life = node.is_connected().await;
    redis.cli(&["SCRIPT", "FLUSH"]).await;
    assert!(matches!(node.calls(publish(&life, 1, 1)).await, Reply::Published { .. }));
    redis.cli(&["SCRIPT", "FLUSH"]).await;
    let fetch = Fetch { room: room(), life: life.clone(), after: None, begin: None, limits: limits() };
    assert!(matches!(node.calls(Call::Fetch(fetch)).await, Reply::Room(_)));
}

#[actix::test]
async fn a_subscriber_that_is_cut_off_is_noticed_at_once() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let mut node = TestNode::start(&settings(&redis));
    node.is_connected().await;
    redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    node.is_disconnected().await;
    node.is_connected().await;
}

#[actix::test]
async fn a_subscriber_that_hears_nothing_is_noticed_by_a_probe() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let proxy = SilentProxy::start(redis.address());
    let mut node =
        TestNode::start(&BackplaneSettings { url: proxy.url().parse().unwrap(), ..settings(&redis) });
    let life = node.is_connected().await;
    proxy.silences(1);
    assert!(matches!(node.calls(publish(&life, 1, 1)).await, Reply::Published { .. }), "calls go on");
    node.is_disconnected().await;
    node.is_connected().await;
    node.subscribes().await;
}

#[actix::test]
async fn more_pushes_than_fit_end_the_connection_and_no_bound() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let push_buffer = crate::config::ByteSize::from_kib(64);
    let mut node = TestNode::start(&BackplaneSettings { push_buffer, ..settings(&redis) });
    let life = node.is_connected().await;
    node.subscribes().await;
    let mut other = TestNode::start(&settings(&redis));
    other.is_connected().await;
    node.holds.send_replace(true);
    for sequence in 1..=40 {
        other.calls(publish(&life, sequence, 4 << 10)).await;
    }
    let reconnects = node.metrics.backplane_reconnects.clone();
    testing::eventually("a reconnect", || reconnects.get() > 0).await;
    let bytes = node.metrics.backplane_push_bytes.clone();
    let held = bytes.get();
    assert!(held <= 64 << 10, "{held}");
    node.holds.send_replace(false);
    node.is_disconnected().await;
    node.is_connected().await;
    testing::eventually("free bytes", || bytes.get() == 0).await;
}

#[actix::test]
async fn a_dead_node_is_removed_by_another_and_leaves_once() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let mut dead = TestNode::start(&settings(&redis));
    dead.is_connected().await;
    let who = SpeakerId::next();
    assert_eq!(dead.calls(members(1, 3, vec![who])).await, Reply::Done);
    let mut nodes = [TestNode::start(&settings(&redis)), TestNode::start(&settings(&redis))];
    for node in &mut nodes {
        node.is_connected().await;
        node.subscribes().await;
    }
    let id = dead.id;
    drop(dead); // without leaving
    for node in &mut nodes {
        assert_eq!(node.hears_members(id).await, (Sequence(0), 0, vec![], vec![who]));
        node.calls(members(1, 1, vec![])).await;
        let own = node.id;
        assert_eq!(node.hears_members(own).await.1, 1, "the dead one left once");
    }
    let left = async { while redis.cli(&["ZCARD", "worldcast:nodes"]).await != "2" {} };
    within("the end of its lease", left).await;
    assert_eq!(redis.cli(&["KEYS", &format!("*noderooms:{id}")]).await, "");
}

#[actix::test]
async fn nodes_have_time_to_come_back_before_one_takes_them_for_dead() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let node_timeout = Duration::from_secs(2);
    let mut late = TestNode::start(&settings(&redis));
    late.is_connected().await;
    assert_eq!(late.calls(members(1, 3, vec![])).await, Reply::Done);
    let id = late.id;
    drop(late);
    redis.cli(&["ZADD", "worldcast:nodes", "1", &id.to_string()]).await; // silent for long
    let mut node = TestNode::start(&BackplaneSettings { node_timeout, ..settings(&redis) });
    node.is_connected().await;
    let connected = Instant::now();
    node.subscribes().await;
    assert_eq!(node.hears_members(id).await.1, 0);
    assert!(connected.elapsed() > node_timeout - Duration::from_millis(100), "{:?}", connected.elapsed());
}

#[actix::test]
async fn a_node_that_leaves_is_gone_at_once() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let settings = BackplaneSettings { node_timeout: Duration::from_secs(600), ..settings(&redis) };
    let (mut one, mut other) = (TestNode::start(&settings), TestNode::start(&settings));
    one.is_connected().await;
    other.is_connected().await;
    other.subscribes().await;
    let who = SpeakerId::next();
    one.sends(members(1, 2, vec![who]));
    one.link.leave(Duration::from_secs(10)).await;
    assert_eq!(redis.cli(&["ZRANGE", "worldcast:nodes", "0", "-1"]).await, other.id.to_string());
    let id = one.id;
    assert_eq!(other.hears_members(id).await, (Sequence(1), 2, vec![who], vec![]));
    assert_eq!(other.hears_members(id).await, (Sequence(0), 0, vec![], vec![who]));
    one.link.leave(Duration::from_secs(10)).await; // a second time is no matter
}

#[actix::test]
async fn a_node_that_was_taken_for_dead_is_told() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let mut node = TestNode::start(&settings(&redis));
    node.is_connected().await;
    redis.cli(&["ZREM", "worldcast:nodes", &node.id.to_string()]).await;
    node.is_reaped().await;
}

#[actix::test]
async fn all_nodes_share_the_secret_of_tokens_even_after_it_was_lost() {
    let Some(mut redis) = Redis::start(&[]).await else { return };
    let mut one = TestNode::start(&settings(&redis));
    one.is_connected().await;
    let who = SpeakerId::next();
    let token = one.tokens.issue(who);
    let other = TestNode::start(&settings(&redis));
    assert_eq!(other.tokens.verify(&token), Some(who));
    drop(other);
    redis.restart(false).await;
    one.is_disconnected().await;
    one.is_connected().await;
    let third = TestNode::start(&settings(&redis));
    assert_eq!(third.tokens.verify(&token), Some(who));
}

#[actix::test]
async fn a_wrong_set_up_is_told_at_the_first_contact() {
    let Some(redis) = Redis::start(&[("requirepass", "sesame"), ("databases", "4")]).await else { return };
    let with = |url: &str, password: &str| BackplaneSettings {
        url: url.parse().unwrap(),
        password: password.into(),
        ..settings(&redis)
    };
    let refused = |settings: BackplaneSettings| TestNode::try_start(&settings).err();
    let address = redis.url();
    let credentials =
        |code: &str| SetupError::Credentials { address: address.clone(), code: code.to_owned() };
    assert_eq!(refused(with(&address, "")), Some(credentials("NOAUTH")));
    assert_eq!(refused(with(&address, "wrong")), Some(credentials("WRONGPASS")));
    let database = format!("{address}/4");
    assert_eq!(refused(with(&database, "sesame")), Some(SetupError::Database { address: database }));

    redis.cli(&["SET", "worldcast:users:1", "anna"]).await;
    let error = refused(with(&address, "sesame")).unwrap().to_string();
    assert!(error.contains("\"worldcast:users:1\": choose another backplane.prefix"), "{error}");
    let other = BackplaneSettings { prefix: "other:".into(), ..with(&address, "sesame") };
    assert_eq!(refused(other), None);
    redis.cli(&["DEL", "worldcast:users:1"]).await;
    assert_eq!(refused(with(&format!("{address}/3"), "sesame")), None);
    redis.cli(&["SET", "worldcast:format", "worldcast 0"]).await;
    assert!(matches!(refused(with(&address, "sesame")), Some(SetupError::Format { .. })));
    redis.cli(&["SET", "worldcast:format", "mine"]).await;
    assert!(matches!(refused(with(&address, "sesame")), Some(SetupError::Prefix { .. })));
    redis.cli(&["DEL", "worldcast:format"]).await;

    redis.cli(&["ACL", "SETUSER", "anna", "on", ">sesame", "~worldcast:*", "&worldcast:*", "+get"]).await;
    let anna = BackplaneSettings { user: "anna".to_owned(), ..with(&address, "sesame") };
    assert!(matches!(refused(anna.clone()), Some(SetupError::NotPermitted { .. })));
    redis.cli(&["ACL", "SETUSER", "anna", "+@all", "-@dangerous", "+info"]).await;
    assert_eq!(refused(anna), None);
}

#[actix::test]
async fn the_password_may_be_in_a_file_and_the_server_behind_a_unix_socket() {
    let Some(redis) = Redis::start(&[("requirepass", "sesame")]).await else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    let url = format!("redis+unix://{}", redis.socket().display());
    let settings =
        BackplaneSettings { url: url.parse().unwrap(), password_file: file.clone(), ..settings(&redis) };
    let error = TestNode::try_start(&settings).err().unwrap().to_string();
    assert!(
        error.starts_with(&format!("cannot read {} (backplane.password_file)", file.display())),
        "{error}"
    );
    std::fs::write(&file, "sesame\n").unwrap();
    TestNode::start(&settings).is_connected().await;
}

#[actix::test]
async fn a_server_with_tls_must_have_a_certificate_that_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    write("certificate", &made.cert.pem());
    write("key", &made.signing_key.serialize_pem());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let shown = |path: &Path| path.display().to_string();
    let (certificate, key) = (shown(&path("certificate")), shown(&path("key")));
    let options = [
        ("tls-port", port.as_str()),
        ("tls-cert-file", &certificate),
        ("tls-key-file", &key),
        ("tls-auth-clients", "no"),
    ];
    let Some(redis) = Redis::start(&options).await else { return };
    let url = format!("rediss://localhost:{port}").parse().unwrap();
    let settings = BackplaneSettings { url, ca: path("certificate"), ..settings(&redis) };
    TestNode::start(&settings).is_connected().await;
    let settings = BackplaneSettings { ca: "".into(), ..settings };
    let untrusted = TestNode::start(&settings);
    assert_eq!(untrusted.readiness.reasons(), [crate::readiness::NotReady::Backplane]);
    let (metrics, pushes) = (Arc::default(), Pushes::new(pushes::PushBytes::new(1, Default::default())));
    let contact = Contact {
        settings: &settings,
        node: NodeId(1),
        metrics: &metrics,
        tokens: None,
        is_first: true,
        avoids_shards: false,
    };
    let failure = contact.make(&pushes).await.err();
    assert!(matches!(failure, Some(Failure::Untrusted(_))), "{failure:?}");
}

#[actix::test]
async fn a_server_that_is_out_of_reach_at_the_start_is_waited_for() {
    let Some(mut redis) = Redis::start(&[]).await else { return };
    redis.kill().await;
    let mut node = TestNode::start(&settings(&redis));
    assert_eq!(node.readiness.reasons(), [crate::readiness::NotReady::Backplane]);
    let early = node.sends(Call::GetLife);
    redis.restart(false).await;
    node.is_connected().await;
    let id = node.sends(Call::GetLife);
    let first = node
        .hears("a reply", |event| match event {
            LinkEvent::Replied(id, _) => Some(id),
            _ => None,
        })
        .await;
    assert_eq!(first, id, "not {early:?}, which was sent before");
}

#[actix::test]
async fn channels_work_on_servers_without_shards() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let (settings, node, metrics) = (settings(&redis), NodeId::random(), Arc::<Metrics>::default());
    let mut pushes = Pushes::new(pushes::PushBytes::new(1 << 20, Default::default()));
    let contact = Contact {
        settings: &settings,
        node,
        metrics: &metrics,
        tokens: None,
        is_first: true,
        avoids_shards: true,
    };
    let connection = contact.make(&pushes).await.unwrap().0;
    let (life, _) = connection.life().await.unwrap();
    connection.change_subscriptions(&Call::Subscribe(vec![room()])).await.unwrap();
    connection.probe(7).await.unwrap();
    let call = Outgoing { id: CallId(1), call: publish(&life, 1, 1) };
    connection.run(&[call]).await.unwrap();
    let mut channels = Vec::new();
    while channels.len() < 2 {
        let pushes::Pushed::Published { channel, payload, .. } = within("pushes", pushes.next()).await else {
            panic!("an end")
        };
        channels.push((connection.probe_number(&channel, &payload), connection.room_of(&channel)));
    }
    assert_eq!(channels, [(Some(7), None), (None, Some(room()))]);
    connection.change_subscriptions(&Call::Unsubscribe(vec![room()])).await.unwrap();
}
