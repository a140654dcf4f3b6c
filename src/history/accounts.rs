//! The bytes that each source holds in histories, and the room that forgets next.

use super::totals::SizeClass;
use crate::{ids::RoomSlot, limits::Source};
use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasherDefault, Hasher},
    mem,
};

/// The account of a source that holds messages in histories: dense, and reused after its last
/// message is forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(u32);

/// The bytes of each source, in all and in each room; each message counts for its publisher.
///
/// Sizes are listed by [`SizeClass`], so that a message seldom changes a list.
#[derive(Debug, Default)]
pub struct Accounts {
    ids: HashMap<Source, AccountId>,
    /// The source of the last message, which often publishes the next.
    last: Option<(Source, AccountId)>,
    accounts: Vec<Option<Account>>,
    free: Vec<AccountId>,
    /// The bytes of an account in one room.
    parts: HashMap<(RoomSlot, AccountId), Size, BuildHasherDefault<IdHasher>>,
    /// One entry per account, at or above its class; a stale entry is corrected when it comes up.
    by_size: BTreeSet<(SizeClass, AccountId)>,
    /// One entry per part, at or above its class; the same.
    parts_by_size: BTreeSet<(AccountId, SizeClass, RoomSlot)>,
}

#[derive(Debug)]
struct Account {
    source: Source,
    size: Size,
}

/// A number of bytes, and the class under which it is listed.
#[derive(Debug, Default)]
struct Size {
    bytes: usize,
    listed: Option<SizeClass>,
}

/// A change of the class under which a size is listed; `None` is no entry.
struct Listing {
    from: Option<SizeClass>,
    to: Option<SizeClass>,
}

impl Size {
    /// Lists the size anew if it has left its class upwards, or is zero.
    fn relist_if_due(&mut self) -> Option<Listing> {
        let class = SizeClass::of(self.bytes);
        let is_listed = class.is_some() && class <= self.listed;
        (!is_listed).then(|| self.relist())
    }

    /// Lists the size anew if it is not listed under its class.
    fn relist_if_stale(&mut self) -> Option<Listing> {
        (SizeClass::of(self.bytes) != self.listed).then(|| self.relist())
    }

    fn relist(&mut self) -> Listing {
        let to = SizeClass::of(self.bytes);
        Listing { from: mem::replace(&mut self.listed, to), to }
    }
}

impl Accounts {
    /// The most memory that a part takes with its account, in bytes.
    const PART: usize = 256;

    /// Returns the bytes of memory that the parts take in addition to one for each of `rooms`: many
    /// sources with one message each would take more than their messages.
    pub fn overhead(&self, rooms: usize) -> usize {
        self.parts.len().saturating_sub(rooms) * Self::PART
    }

    /// Returns the account of `source`, which begins with its first message.
    pub fn open(&mut self, source: Source) -> AccountId {
        if let Some((_, id)) = self.last.filter(|(last, _)| *last == source) {
            return id;
        }
        let (next, free) = (AccountId(self.accounts.len() as u32), &mut self.free);
        let id = *self.ids.entry(source).or_insert_with(|| free.pop().unwrap_or(next));
        if id == next {
            self.accounts.push(None);
        }
        let new = || Account { source, size: Size::default() };
        self.accounts[id.0 as usize].get_or_insert_with(new);
        self.last = Some((source, id));
        id
    }

    /// Counts `bytes` of a message in `room`.
    pub fn add(&mut self, room: RoomSlot, id: AccountId, bytes: usize) {
        self.change(room, id, |size| size.bytes += bytes);
    }

    /// Removes the `bytes` of a message from `room`, and the account with its last message.
    pub fn remove(&mut self, room: RoomSlot, id: AccountId, bytes: usize) {
        self.change(room, id, |size| size.bytes -= bytes);
    }

    /// Returns the room in which the source that holds most holds most; `None` if no source holds
    /// anything.
    pub fn largest(&mut self) -> Option<RoomSlot> {
        let id = loop {
            let (_, id) = *self.by_size.last()?;
            let Some(listing) = self.account(id).size.relist_if_stale() else { break id };
            self.list(id, listing);
        };
        loop {
            let all = (id, SizeClass::MIN, RoomSlot(0))..=(id, SizeClass::MAX, RoomSlot(u32::MAX));
            let (_, _, room) = *self.parts_by_size.range(all).next_back()?;
            let Some(listing) = self.parts.get_mut(&(room, id))?.relist_if_stale() else { return Some(room) };
            self.list_part(room, id, listing);
        }
    }

    fn account(&mut self, id: AccountId) -> &mut Account {
        self.accounts[id.0 as usize].as_mut().expect("an account lives while it holds a message")
    }

    fn change(&mut self, room: RoomSlot, id: AccountId, change: impl Fn(&mut Size)) {
        let part = self.parts.entry((room, id)).or_default();
        change(part);
        let (listing, is_empty) = (part.relist_if_due(), part.bytes == 0);
        if is_empty {
            self.parts.remove(&(room, id));
        }
        if let Some(listing) = listing {
            self.list_part(room, id, listing);
        }
        let size = &mut self.account(id).size;
        change(size);
        let (listing, is_empty) = (size.relist_if_due(), size.bytes == 0);
        if let Some(listing) = listing {
            self.list(id, listing);
        }
        if is_empty {
            self.close(id);
        }
    }

    fn list(&mut self, id: AccountId, Listing { from, to }: Listing) {
        if let Some(from) = from {
            self.by_size.remove(&(from, id));
        }
        if let Some(to) = to {
            self.by_size.insert((to, id));
        }
    }

    fn list_part(&mut self, room: RoomSlot, id: AccountId, Listing { from, to }: Listing) {
        if let Some(from) = from {
            self.parts_by_size.remove(&(id, from, room));
        }
        if let Some(to) = to {
            self.parts_by_size.insert((id, to, room));
        }
    }

    fn close(&mut self, id: AccountId) {
        if let Some(account) = self.accounts[id.0 as usize].take() {
            self.ids.remove(&account.source);
        }
        self.free.push(id);
        self.last = None;
        if self.ids.is_empty() {
            *self = Self::default(); // gives its memory back
        }
    }
}

/// A hasher for ids that this server assigns, which nobody can choose: one multiplication for each.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(id)).wrapping_mul(0x517c_c1b7_2722_0a95); // FxHash
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32((*byte).into()));
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

#[cfg(test)]
impl Accounts {
    /// Checks the accounts against the messages of all histories: room, account and bytes of each.
    pub fn check(&self, messages: impl Iterator<Item = (RoomSlot, AccountId, usize)>) {
        let (mut parts, mut sums) = (HashMap::<_, usize>::new(), HashMap::<_, usize>::new());
        for (room, id, bytes) in messages {
            *parts.entry((room, id)).or_default() += bytes;
            *sums.entry(id).or_default() += bytes;
        }
        assert_eq!(parts, self.parts.iter().map(|(part, size)| (*part, size.bytes)).collect());
        let open = self.accounts.iter().flatten().map(|account| (self.ids[&account.source], &account.size));
        assert_eq!(sums, open.clone().map(|(id, size)| (id, size.bytes)).collect());
        let classes = open.map(|(id, size)| (size.listed.unwrap(), id)).collect();
        assert_eq!(self.by_size, classes);
        let classes =
            self.parts.iter().map(|((room, id), size)| (*id, size.listed.unwrap(), *room)).collect();
        assert_eq!(self.parts_by_size, classes);
        assert!(self.parts.values().all(|size| SizeClass::of(size.bytes) <= size.listed));
    }

    /// Returns true if the accounts hold no memory.
    pub fn is_empty(&self) -> bool {
        self.parts.capacity() + self.accounts.capacity() + self.ids.capacity() == 0
    }
}
