//! The connections there are, by id.

use crate::ConnectionId;
use crate::connection::Connection;

/// Connections in the order of their ids, which rise and are never reused: found at once while none before is gone, and
/// by binary search afterwards. Those that are gone take no memory.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    #[expect(clippy::vec_box, reason = "a removal moves all that lie behind")]
    members: Vec<Box<Connection>>,
    n_added: u32,
}

impl Roster {
    /// Id of the connection that is added next.
    pub(crate) const fn next_id(&self) -> ConnectionId {
        ConnectionId(self.n_added)
    }

    pub(crate) fn add(&mut self, connection: Connection) {
        self.members.push(Box::new(connection));
        self.n_added += 1;
    }

    pub(crate) fn remove(&mut self, id: ConnectionId) {
        if let Some(place) = self.place(id) {
            self.members.remove(place);
        }
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.place(id).map(|place| &*self.members[place])
    }

    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.place(id).map(|place| &mut *self.members[place])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.members.iter().map(|connection| &**connection)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.members.iter_mut().map(|connection| &mut **connection)
    }

    fn place(&self, id: ConnectionId) -> Option<usize> {
        let first = self.members.first()?.id;
        let limit = id.0.checked_sub(first.0)? as usize;
        if self.members.get(limit).is_some_and(|connection| connection.id == id) {
            return Some(limit);
        }
        let before = &self.members[..limit.min(self.members.len())];
        before.binary_search_by_key(&id, |connection| connection.id).ok()
    }
}
