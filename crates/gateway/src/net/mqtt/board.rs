//! What should stand at a broker: the newest payload of each topic, and whether it has been told.
use super::{Connection, Publication};
use crate::sink::Trouble;
use std::collections::HashMap;

/// Topics of one board. A gateway with ten meters of a hundred registers has 2000; a meter that invents names of
/// registers must not fill memory and broker.
const TOPICS_MAX: usize = 8192;

/// Topics with their newest payloads, in the order in which they first came.
///
/// It outlives connections: after a new one everything is told again.
#[derive(Debug, Default)]
pub(crate) struct Board {
    notes: Vec<Note>,
    places: HashMap<String, usize>,
}

#[derive(Debug)]
struct Note {
    publication: Publication,
    due: bool,
}

impl Board {
    /// Something new, to be told also when it says the same as before.
    pub(crate) fn tell(&mut self, publication: Publication) {
        self.put(publication, true);
    }

    /// Something to be told when it differs from what was told; true then.
    pub(crate) fn show(&mut self, publication: Publication) -> bool {
        self.put(publication, false)
    }

    fn put(&mut self, publication: Publication, again: bool) -> bool {
        if let Some(note) = self.places.get(&publication.topic).and_then(|&place| self.notes.get_mut(place)) {
            let new = again || note.publication != publication;
            note.due |= new;
            note.publication = publication;
            return new;
        }
        if self.notes.len() >= TOPICS_MAX {
            return false;
        }
        self.places.insert(publication.topic.clone(), self.notes.len());
        self.notes.push(Note { publication, due: true });
        true
    }

    /// Not to be told again: what the broker has stays there.
    pub(crate) fn leave(&mut self, topic: &str) {
        if self.places.contains_key(topic) {
            self.notes.retain(|note| note.publication.topic != topic);
            self.number();
        }
    }

    /// Removes what the broker keeps under this topic.
    pub(crate) fn remove(&mut self, topic: &str) {
        self.put(Publication::retained(topic, ""), true);
    }

    /// Everything that the broker keeps is to be told again: it may have forgotten.
    pub(crate) fn begin_again(&mut self) {
        for note in &mut self.notes {
            note.due |= note.publication.retain;
        }
    }

    /// The topics under which something stands.
    #[cfg(test)]
    fn topics(&self) -> impl Iterator<Item = &str> {
        self.notes
            .iter()
            .filter(|note| !note.publication.payload.is_empty())
            .map(|note| note.publication.topic.as_str())
    }

    /// Tells what is due, in order.
    ///
    /// # Errors
    /// When the broker did not take all of it; the rest stays due.
    pub(crate) async fn flush(&mut self, connection: &mut Connection) -> Result<(), Trouble> {
        let (places, due): (Vec<usize>, Vec<Publication>) = self
            .notes
            .iter()
            .enumerate()
            .filter(|(_, note)| note.due)
            .map(|(place, note)| (place, note.publication.clone()))
            .unzip();
        let progress = connection.publish(&due).await;
        for (_, why) in &progress.refused {
            tracing::warn!("{why}");
        }
        for note in places.iter().take(progress.done) {
            if let Some(note) = self.notes.get_mut(*note) {
                note.due = false;
            }
        }
        // What was removed need not be remembered.
        let len = self.notes.len();
        self.notes.retain(|note| note.due || !note.publication.payload.is_empty());
        if self.notes.len() != len {
            self.number();
        }
        progress.trouble.map_or(Ok(()), Err)
    }

    fn number(&mut self) {
        let topics = self.notes.iter().enumerate();
        self.places = topics.map(|(place, note)| (note.publication.topic.clone(), place)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(board: &Board) -> Vec<&str> {
        let due = board.notes.iter().filter(|note| note.due);
        due.map(|note| note.publication.topic.as_str()).collect()
    }

    fn all_told(board: &mut Board) {
        board.notes.iter_mut().for_each(|note| note.due = false);
    }

    #[test]
    fn the_newest_of_a_topic_is_told_and_an_unchanged_note_is_not() {
        let mut board = Board::default();
        board.tell(Publication::retained("state", "1"));
        board.tell(Publication::retained("state", "2"));
        assert!(board.show(Publication::retained("config", "a")));
        assert_eq!(due(&board), ["state", "config"]);
        assert_eq!(board.notes[0].publication.payload, b"2");
        all_told(&mut board);
        board.tell(Publication::retained("state", "2"));
        assert!(!board.show(Publication::retained("config", "a")));
        assert_eq!(due(&board), ["state"]);
    }

    #[test]
    fn a_new_connection_begins_again_with_what_is_retained() {
        let mut board = Board::default();
        board.tell(Publication::retained("status", "online"));
        board.tell(Publication::passing("state", "1"));
        all_told(&mut board);
        board.begin_again();
        assert_eq!(due(&board), ["status"]);
    }

    #[test]
    fn what_is_left_alone_is_not_told_again_and_what_is_removed_is_told_empty() {
        let mut board = Board::default();
        board.tell(Publication::retained("a", "1"));
        board.tell(Publication::retained("b", "1"));
        all_told(&mut board);
        board.leave("a");
        board.begin_again();
        assert_eq!(due(&board), ["b"]);
        board.remove("b");
        assert_eq!(board.notes[0].publication, Publication::retained("b", ""));
        assert_eq!(board.topics().count(), 0);
    }

    #[test]
    fn a_board_is_bounded() {
        let mut board = Board::default();
        for number in 0..TOPICS_MAX + 10 {
            board.tell(Publication::retained(number.to_string(), "x"));
        }
        assert_eq!(board.notes.len(), TOPICS_MAX);
        assert!(!board.show(Publication::retained("one more", "x")));
    }
}
