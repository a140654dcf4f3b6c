//! The state that all clients of an act share: addresses, verdicts, and the signals to be silent or
//! to leave.

use crate::{
    clients::{End, PATIENCE},
    model::{Breach, Model, Promise, RoomId, Verdict},
    plan::Visit,
    report::Report,
};
use std::{
    cell::{Cell, RefCell, RefMut},
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

pub struct Stage {
    /// The addresses of all nodes; a node that is started again has another one.
    pub listeners: Rc<RefCell<Vec<SocketAddr>>>,
    /// From now on no client publishes.
    pub silence: CancellationToken,
    /// From now on all clients leave.
    pub leave: CancellationToken,
    /// A promise was broken: the run ends.
    pub broken: CancellationToken,
    /// The server was told to stop.
    pub stopping: Cell<bool>,
    /// Nodes and Redis are disturbed: any connection may end.
    pub disturbed: Cell<bool>,
    /// The server has ended, or has not when it should have.
    pub stopped: CancellationToken,
    model: Rc<RefCell<Model>>,
    report: Rc<RefCell<Report>>,
    breach: Rc<RefCell<Option<Breach>>>,
}

impl Stage {
    pub fn new(listeners: Vec<SocketAddr>) -> Self {
        Self {
            listeners: Rc::new(RefCell::new(listeners)),
            silence: CancellationToken::new(),
            leave: CancellationToken::new(),
            broken: CancellationToken::new(),
            stopping: Cell::default(),
            disturbed: Cell::default(),
            stopped: CancellationToken::new(),
            model: Rc::default(),
            report: Rc::default(),
            breach: Rc::default(),
        }
    }

    /// The same stage for the next act.
    pub fn next_act(&self) -> Rc<Self> {
        Rc::new(Self {
            listeners: self.listeners.clone(),
            silence: CancellationToken::new(),
            leave: CancellationToken::new(),
            broken: self.broken.clone(),
            stopping: Cell::default(),
            disturbed: self.disturbed.clone(),
            stopped: CancellationToken::new(),
            model: self.model.clone(),
            report: self.report.clone(),
            breach: self.breach.clone(),
        })
    }

    pub fn model(&self) -> RefMut<'_, Model> {
        self.model.borrow_mut()
    }

    pub fn report(&self) -> RefMut<'_, Report> {
        self.report.borrow_mut()
    }

    /// The first breach counts: what follows may follow from it.
    pub fn judge(&self, verdict: Verdict) {
        if let Err(breach) = verdict
            && !self.broken.is_cancelled()
        {
            self.breach.replace(Some(breach));
            self.broken.cancel();
        }
    }

    /// Records the verdict on a message that a client received in `room`.
    pub fn receives(&self, room: RoomId, verdict: Result<Duration, Breach>) {
        match verdict {
            Ok(age) if room.is_calm() => self.report().delays.add(age),
            Ok(_) => {}
            Err(breach) => self.judge(Err(breach)),
        }
    }

    pub fn undelivered_bytes(&self, room: RoomId) -> usize {
        self.model.borrow().undelivered_bytes(room)
    }

    pub fn is_silent(&self) -> bool {
        self.silence.is_cancelled()
    }

    /// Judges how a visit ended.
    pub fn sees_end(&self, visit: &Visit, end: End) {
        self.report().sees_end(visit.kind, end);
        let (kind, stopping) = (visit.kind, self.stopping.get());
        let expected = match self.disturbed.get() {
            true => kind.ends_when_disturbed(),
            false if stopping => kind.ends_when_stopping(),
            false => kind.ends(),
        };
        if !expected.contains(&end) {
            let who = format!("{} ({:?}) in {}", visit.client, visit.kind, visit.room);
            let expected = expected.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
            self.judge(Err(Breach::of(Promise::RightEnd, who, expected, end)));
        }
    }

    /// Waits until each of `rooms` has a client that receives it from its beginning on.
    pub async fn has_begun(&self, rooms: impl Iterator<Item = RoomId> + Clone) {
        while !rooms.clone().all(|room| self.model.borrow().has_begun(room)) {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until so many clients have received the greeting.
    pub async fn are_in(&self, clients: usize) {
        while self.model.borrow().greeted() < clients {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until all clients have received everything.
    pub async fn settles(&self) -> Verdict {
        let settled = async {
            while self.model.borrow().unsettled().is_some() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        match timeout(PATIENCE, settled).await {
            Ok(()) => Ok(()),
            Err(_) => self.model.borrow().unsettled().map_or(Ok(()), Err),
        }
    }

    pub fn breach(&self) -> Option<Breach> {
        self.breach.take()
    }
}
