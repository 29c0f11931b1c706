//! Who is logged in: in memory, and in a file so that a restart logs nobody out.
use async_trait::async_trait;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tower_sessions::SessionStore;
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

/// Devices of a household, with room for those that are never used again before they expire.
const SESSIONS_MAX: usize = 200;

/// A session as it is kept: without the number that opens it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    data: HashMap<String, serde_json::Value>,
    expiry_date: OffsetDateTime,
}

/// All sessions, by the digest of their number: who reads the file cannot log in with it.
#[derive(Debug, Clone)]
pub(in crate::web) struct Sessions {
    path: Option<PathBuf>,
    kept: Arc<Mutex<HashMap<String, Kept>>>,
}

impl Sessions {
    /// Name of the file in the state directory.
    const FILE_NAME: &'static str = "sessions.json";

    /// Those of the last run. A file that cannot be read logs everybody out and does no other harm.
    pub(in crate::web) fn load(state: Option<&Path>) -> Self {
        let path = state.map(|state| state.join(Self::FILE_NAME));
        let text = path.as_deref().and_then(|path| std::fs::read(path).ok());
        let kept = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { path, kept: Arc::new(Mutex::new(kept)) }
    }

    /// Ends all sessions for which this holds.
    pub(in crate::web) fn end(&self, mut ended: impl FnMut(&super::Login) -> bool) {
        self.change(|kept| {
            kept.retain(|_, session| {
                let login = session
                    .data
                    .get(super::LOGIN)
                    .and_then(|login| serde_json::from_value(login.clone()).ok());
                !login.as_ref().is_some_and(&mut ended)
            });
        });
    }

    /// Changes the list and writes it. The file is small and changes with a login, not with a page.
    fn change(&self, change: impl FnOnce(&mut HashMap<String, Kept>)) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut kept);
        let now = OffsetDateTime::now_utc();
        kept.retain(|_, session| session.expiry_date > now);
        while kept.len() > SESSIONS_MAX {
            let first = kept.iter().min_by_key(|(_, session)| session.expiry_date).map(|(id, _)| id.clone());
            first.map(|id| kept.remove(&id));
        }
        if let Some(path) = &self.path {
            let written = serde_json::to_vec(&*kept).map_err(std::io::Error::other);
            if let Err(error) = written.and_then(|text| crate::state::replace(path, &text)) {
                tracing::warn!("logins end with this run: cannot write {}: {error}", path.display());
            }
        }
    }
}

fn key(id: &Id) -> String {
    digest(&SHA256, &id.0.to_be_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> Result<()> {
        // 128 random bits do not meet others.
        self.change(|kept| {
            kept.insert(key(&record.id), Kept { data: record.data.clone(), expiry_date: record.expiry_date });
        });
        Ok(())
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let mut kept = self.kept.lock().map_err(|_| Error::Backend("poisoned".to_owned()))?;
        let session = Kept { data: record.data.clone(), expiry_date: record.expiry_date };
        // One that was ended while its last page was made stays ended.
        if let Some(old) = kept.get_mut(&key(&record.id)) {
            *old = session;
        }
        Ok(())
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let kept = self.kept.lock().map_err(|_| Error::Backend("poisoned".to_owned()))?;
        let session = kept.get(&key(id)).filter(|session| session.expiry_date > OffsetDateTime::now_utc());
        Ok(session.map(|session| Record {
            id: *id,
            data: session.data.clone(),
            expiry_date: session.expiry_date,
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.change(|kept| {
            kept.remove(&key(id));
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_sessions::cookie::time::Duration;

    fn record(seconds: i64) -> Record {
        let login = serde_json::json!({ "account": "owner" });
        Record {
            id: Id::default(),
            data: [(super::super::LOGIN.to_owned(), login)].into(),
            expiry_date: OffsetDateTime::now_utc() + Duration::seconds(seconds),
        }
    }

    #[tokio::test]
    async fn a_session_survives_a_restart_and_its_file_opens_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut session = record(60);
        Sessions::load(Some(folder.path())).create(&mut session).await.unwrap();
        let text = std::fs::read_to_string(folder.path().join(Sessions::FILE_NAME)).unwrap();
        assert!(!text.contains(&session.id.to_string()));

        let again = Sessions::load(Some(folder.path()));
        assert_eq!(again.load(&session.id).await.unwrap(), Some(session.clone()));
        assert_eq!(again.load(&Id::default()).await.unwrap(), None);
        again.end(|login| &*login.account == "owner");
        assert_eq!(Sessions::load(Some(folder.path())).load(&session.id).await.unwrap(), None);
        again.save(&session).await.unwrap();
        assert_eq!(again.load(&session.id).await.unwrap(), None, "an ended session stays ended");
    }

    #[tokio::test]
    async fn expired_sessions_are_none_and_their_number_is_bounded() {
        let sessions = Sessions::load(None);
        let mut old = record(-1);
        sessions.create(&mut old).await.unwrap();
        assert_eq!(sessions.load(&old.id).await.unwrap(), None);
        let mut first = record(10);
        sessions.create(&mut first).await.unwrap();
        for _ in 0..SESSIONS_MAX {
            sessions.create(&mut record(60)).await.unwrap();
        }
        assert_eq!(sessions.load(&first.id).await.unwrap(), None, "the one that ends first makes room");
        assert_eq!(sessions.kept.lock().unwrap().len(), SESSIONS_MAX);
    }
}
