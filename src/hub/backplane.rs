//! Events of a backplane that several nodes share, and its deadlines.

use super::{Event, Hub};
use crate::{
    backplane::{Asker, EpochChange, FromLink, NewEpoch, Newcomer},
    delivery::Broadcast,
    history::Position,
    protocol::CloseReason,
};
use actix::prelude::*;
use std::time::{Duration, Instant};

/// Time between two looks at the deadlines of a backplane that has some.
const TICK: Duration = Duration::from_millis(50);

impl Hub {
    /// Looks at the deadlines of the backplane from now on, if it has some.
    pub(super) fn start_ticks(&self, ctx: &mut Context<Self>) {
        if self.store.backplane.is_shared() {
            ctx.run_later(TICK, Self::tick);
        }
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        self.store.backplane.tick(Instant::now(), &mut self.arrived);
        self.handle_arrivals(ctx);
        self.count_rooms();
        self.count_backplane();
        self.end_turn_soon(ctx);
        ctx.run_later(TICK, Self::tick);
    }

    fn count_backplane(&mut self) {
        let counts = self.store.backplane.take_counts();
        self.metrics.backplane_gaps_filled.inc_by(counts.gaps_filled);
        self.metrics.backplane_restored.inc_by(counts.restored);
        self.metrics.backplane_waiting.set(self.store.backplane.waiting() as i64);
    }

    /// Refuses a client whose room cannot be reached; it counts as a member until it leaves.
    pub(super) fn refuse(&mut self, asker: Asker) {
        if let Asker::Newcomer(Newcomer { connection, relay, .. }) = asker
            && self.joining.contains(&connection)
        {
            self.turns.add(relay, Event::Refused { connection, reason: CloseReason::Backplane });
        }
    }

    /// Tells the members of a room what its offsets mean from now on.
    pub(super) fn begin_epoch(&mut self, NewEpoch { room, epoch, change }: NewEpoch) {
        let notice = match change {
            EpochChange::Kept(offset) => return self.broadcast(room, &Broadcast::epoch(epoch, offset)),
            EpochChange::Lost(kept) => Broadcast::epoch(epoch, kept),
            EpochChange::Hole { after, until } => Broadcast::hole(after, Position { epoch, offset: until }),
        };
        self.add_for_room(room, || Event::HistoryLost { room, notice: notice.clone() });
    }
}

impl Handler<FromLink> for Hub {
    type Result = ();

    fn handle(&mut self, FromLink(events): FromLink, ctx: &mut Self::Context) {
        let stint_is_over = self.begin_entry();
        for event in events {
            self.store.backplane.handle(event, Instant::now(), &mut self.arrived);
            self.handle_arrivals(ctx); // an answer must not know what a later event brings
        }
        self.count_rooms();
        self.end_entry(stint_is_over, ctx);
    }
}
