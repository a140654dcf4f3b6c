//! Many clients in one thread, read as the kernel announces them.

use crate::crowd::Crowd;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};
use std::{os::fd::OwnedFd, time::Duration};

/// A crowd of which the kernel says who has something to read.
pub struct Watched {
    pub crowd: Crowd,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Watched {
    pub fn new(crowd: Crowd) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (number, client) in crowd.clients.iter().enumerate() {
            let number = epoll::EventData::new_u64(number as u64);
            epoll::add(&epoll, &client.socket, number, epoll::EventFlags::IN)?;
        }
        Ok(Self { crowd, epoll, events: Vec::with_capacity(1024) })
    }

    /// Waits for at most `patience` and reads from everybody who has something to read; whether there was
    /// anything. `is_right` judges who heard a message of what length.
    pub fn hear(
        &mut self,
        patience: Duration,
        mut is_right: impl FnMut(usize, usize) -> bool,
    ) -> anyhow::Result<bool> {
        let patience = Timespec::try_from(patience)?;
        self.events.clear();
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&patience))?;
        let Crowd { clients, buffer, .. } = &mut self.crowd;
        for event in &self.events {
            let number = event.data.u64() as usize;
            clients[number].hear(buffer, |length| is_right(number, length))?;
        }
        Ok(!self.events.is_empty())
    }
}
