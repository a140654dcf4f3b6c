//! Many clients in one thread, read as epoll reports them.

use super::Clients;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};
use std::{os::fd::OwnedFd, time::Duration};

/// Clients in an epoll set.
pub struct PolledClients {
    pub clients: Clients,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl PolledClients {
    pub fn new(clients: Clients) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (number, client) in clients.list.iter().enumerate() {
            let number = epoll::EventData::new_u64(number as u64);
            epoll::add(&epoll, &client.socket, number, epoll::EventFlags::IN)?;
        }
        Ok(Self { clients, epoll, events: Vec::with_capacity(1024) })
    }

    /// Waits for at most `timeout` and reads from every client that is readable; returns false if
    /// none was. `is_expected` judges the number of a client and the length of its message.
    pub fn receive(
        &mut self,
        timeout: Duration,
        mut is_expected: impl FnMut(usize, usize) -> bool,
    ) -> anyhow::Result<bool> {
        let timeout = Timespec::try_from(timeout)?;
        self.events.clear();
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout))?;
        let Clients { list, buffer, .. } = &mut self.clients;
        for event in &self.events {
            let number = event.data.u64() as usize;
            list[number].receive(buffer, |length| is_expected(number, length))?;
        }
        Ok(!self.events.is_empty())
    }
}
