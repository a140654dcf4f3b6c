//! The line from the sessions and the relay of one worker thread to the hub. What is said on it in one round of the
//! thread, or before a pong, travels together: one mailbox entry, and one wake-up of the hub's thread, for all of it.

use crate::{
    exit::PanicGuard,
    hub::{Command, Commands, Hub},
};
use actix::Addr;
use std::{cell::RefCell, mem};
use tokio::{sync::Notify, task::yield_now};

pub struct HubSender {
    hub: Addr<Hub>,
    /// Of this round.
    commands: RefCell<Vec<Command>>,
    waiting: Notify,
}

impl HubSender {
    pub fn new(hub: Addr<Hub>) -> Self {
        Self { hub, commands: RefCell::default(), waiting: Notify::new() }
    }

    /// Tells the hub, behind everything that it was told before.
    pub fn send(&self, command: Command) {
        self.commands.borrow_mut().push(command);
        self.waiting.notify_one();
    }

    /// Carries over what was told, when the other tasks of this thread had their go.
    pub async fn run(&self) {
        let _guard = PanicGuard("line");
        loop {
            self.waiting.notified().await;
            yield_now().await;
            self.flush();
        }
    }

    /// Carries over at once what was told.
    pub fn flush(&self) {
        let commands = mem::take(&mut *self.commands.borrow_mut());
        if !commands.is_empty() {
            self.hub.do_send(Commands(commands)); // bounded by the permits of the messages and by the number of sessions
        }
    }
}

impl Drop for HubSender {
    /// What the last sessions of a thread said is not lost with it.
    fn drop(&mut self) {
        self.flush();
    }
}
