//! The sender of commands from one worker thread to the hub. The commands of one round of the
//! thread, or of the time before a pong, travel together: one mailbox entry, and one wake-up of the
//! hub's thread, for all of them.

use crate::{
    exit::PanicGuard,
    hub::{Command, Commands, Hub},
};
use actix::Addr;
use std::{cell::RefCell, mem};
use tokio::{sync::Notify, task::yield_now};

/// Collects commands for the hub and sends them in order.
pub struct HubSender {
    hub: Addr<Hub>,
    /// The commands of this round, in order.
    commands: RefCell<Vec<Command>>,
    /// Notified by every command.
    waiting: Notify,
}

impl HubSender {
    /// A sender without commands.
    pub fn new(hub: Addr<Hub>) -> Self {
        Self { hub, commands: RefCell::default(), waiting: Notify::new() }
    }

    /// Queues a command, after all earlier ones of this thread.
    pub fn send(&self, command: Command) {
        self.commands.borrow_mut().push(command);
        self.waiting.notify_one();
    }

    /// Sends the queued commands whenever the other tasks of this thread have run; never ends.
    pub async fn run(&self) {
        let _guard = PanicGuard("hub sender");
        loop {
            self.waiting.notified().await;
            yield_now().await;
            self.flush();
        }
    }

    /// Sends the queued commands at once.
    pub fn flush(&self) {
        let commands = mem::take(&mut *self.commands.borrow_mut());
        if !commands.is_empty() {
            self.hub.do_send(Commands(commands)); // bounded by permits and sessions
        }
    }
}

impl Drop for HubSender {
    /// Sends the last commands of a thread that ends.
    fn drop(&mut self) {
        self.flush();
    }
}
