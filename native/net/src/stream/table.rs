//! Places for connections, each with the number of those that had it before: an old [`ConnectionId`] finds nobody.

use dialplane_core::path::{ConnectionId, WorkerId};

/// See the module.
#[derive(Debug)]
pub(crate) struct Table<T> {
    worker: WorkerId,
    places: Vec<Place<T>>,
    free: Vec<u32>,
    /// Generation that a new place begins with.
    first: u32,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Table<T> {
    /// An empty table. `first` begins with the incarnation; the rest is random, so that what a predecessor gave out fits
    /// nothing here.
    pub(crate) fn new(worker: WorkerId, first: u32) -> Self {
        Self { worker, places: Vec::new(), free: Vec::new(), first }
    }

    /// Whose table it is.
    pub(crate) fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Puts a value in a free place; gives it back when there is none.
    pub(crate) fn insert(&mut self, value: T) -> Result<ConnectionId, T> {
        let place = match self.free.pop() {
            Some(place) => place,
            None if self.places.len() < ConnectionId::MOST => {
                self.places.push(Place { generation: self.first, value: None });
                self.places.len() as u32 - 1
            }
            None => return Err(value),
        };
        let at = &mut self.places[place as usize];
        at.value = Some(value);
        Ok(ConnectionId::new(self.worker, at.generation, place))
    }

    /// The value that had this number when it was inserted.
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut T> {
        if id.worker() != Some(self.worker) {
            return None;
        }
        let at = self.places.get_mut(id.place())?;
        if at.generation == id.generation() { at.value.as_mut() } else { None }
    }

    /// Takes a value out; its number is never given again for as long as anybody could remember it.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<T> {
        self.get_mut(id)?;
        let at = self.places.get_mut(id.place())?;
        at.generation = ConnectionId::next_generation(at.generation);
        self.free.push(id.place() as u32);
        at.value.take()
    }

    /// Numbers of all values.
    pub(crate) fn ids(&self) -> Vec<ConnectionId> {
        let places = self.places.iter().enumerate().filter(|(_, at)| at.value.is_some());
        places.map(|(place, at)| ConnectionId::new(self.worker, at.generation, place as u32)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_number_finds_nobody() {
        let mut table = Table::new(WorkerId(3), 0x07FF_FFFF);
        let one = table.insert("one").expect("room");
        let two = table.insert("two").expect("room");
        assert_eq!((one.worker(), one.generation(), one.place()), (Some(WorkerId(3)), 0x07FF_FFFF, 0));
        assert_eq!(two.place(), 1);
        assert_eq!(table.remove(one), Some("one"));
        assert_eq!(table.remove(one), None);
        let three = table.insert("three").expect("room");
        assert_eq!((three.generation(), three.place()), (0x0700_0000, 0), "the same place, the next generation");
        assert_eq!((one.incarnation(), three.incarnation()), (7, 7), "of the same process");
        assert_eq!(table.get_mut(one), None);
        assert_eq!(table.get_mut(three), Some(&mut "three"));
        assert_eq!(table.get_mut(ConnectionId::new(WorkerId(2), 0, 0)), None, "another worker's");
        assert_eq!(table.get_mut(ConnectionId(0)), None);
        assert_eq!((table.len(), table.ids()), (2, vec![three, two]));
    }
}
