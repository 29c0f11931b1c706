//! Accounts and tokens: names, roles and digests, in a file that only the gateway's user reads.
use super::Role;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shortest password; a household's page is not worth a rule about special characters.
pub(in crate::web) const PASSWORD_MIN: usize = 8;
/// Longest password that is hashed.
pub(in crate::web) const PASSWORD_MAX: usize = 512;
/// Accounts and tokens, each: those of a household and of what it has bought.
const LIST_MAX: usize = 50;
/// Characters of a name.
const NAME_MAX: usize = 64;

/// Verified for a name that is none, so that it takes as long. It is the digest of no known password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGlzIGhlcmU$bm9ib2R5IGtub3dzIHRoZSBwYXNzd29yZCBvZiB0aGlzIDE";

/// Why a password cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum WrongPassword {
    /// Fewer than [`PASSWORD_MIN`] characters.
    TooShort,
    /// More than [`PASSWORD_MAX`] bytes.
    TooLong,
}

/// The content of the file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    accounts: Vec<Account>,
    #[serde(default)]
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    name: Arc<str>,
    role: Role,
    /// Argon2id in the format of the password hashing competition, which has its parameters in it.
    password: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    name: Arc<str>,
    role: Role,
    /// SHA-256: a token has 256 random bits, which nobody guesses.
    digest: String,
}

/// All accounts and tokens.
#[derive(Debug)]
pub(in crate::web) struct Accounts {
    path: Option<PathBuf>,
    content: Mutex<Content>,
}

impl Accounts {
    /// Name of the file in the state directory.
    pub(in crate::web) const FILE_NAME: &'static str = "access.json";

    /// Reads them; without a state directory they last as long as the gateway.
    ///
    /// # Errors
    /// When the file is there and cannot be read: to go on without it would let in whoever comes first.
    pub(in crate::web) fn load(state: Option<&Path>) -> io::Result<Self> {
        let path = state.map(|state| state.join(Self::FILE_NAME));
        let content = match path.as_deref().map(std::fs::read) {
            Some(Ok(text)) => serde_json::from_slice(&text).map_err(io::Error::other)?,
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => Content::default(),
        };
        Ok(Self { path, content: Mutex::new(content) })
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody has set a password.
    pub(in crate::web) fn is_empty(&self) -> bool {
        self.content().accounts.is_empty()
    }

    /// The role of an account, if there is one of this name.
    pub(in crate::web) fn role(&self, name: &str) -> Option<Role> {
        self.content().accounts.iter().find(|account| &*account.name == name).map(|account| account.role)
    }

    /// Whether the password is that of the account. It takes as long for a name that is none.
    ///
    /// It is slow on purpose: 19 MiB and some tenths of a second on a small computer.
    pub(in crate::web) fn verify(&self, name: &str, password: &str) -> bool {
        if password.len() > PASSWORD_MAX {
            return false;
        }
        let known = self.content().accounts.iter().find(|a| &*a.name == name).map(|a| a.password.clone());
        let is_known = known.is_some();
        let stored = known.unwrap_or_else(|| NOBODY.to_owned());
        let Ok(stored) = PasswordHash::new(&stored) else { return false };
        Argon2::default().verify_password(password.as_bytes(), &stored).is_ok() && is_known
    }

    /// Makes an account, or gives one another password. Slow, as [`verify`](Self::verify).
    ///
    /// # Errors
    /// What is wrong with the password, or why it cannot be kept.
    pub(in crate::web) fn set(
        &self,
        name: &str,
        role: Role,
        password: &str,
    ) -> io::Result<Result<(), WrongPassword>> {
        if password.chars().count() < PASSWORD_MIN {
            return Ok(Err(WrongPassword::TooShort));
        }
        if password.len() > PASSWORD_MAX {
            return Ok(Err(WrongPassword::TooLong));
        }
        let account = Account { name: name_of(name)?, role, password: hash(password)? };
        self.change(|content| {
            content.accounts.retain(|old| old.name != account.name);
            content.accounts.push(account);
            (content.accounts.len() <= LIST_MAX)
                .then_some(())
                .ok_or_else(|| io::Error::other("too many accounts"))
        })?;
        Ok(Ok(()))
    }

    /// Makes the first account, unless there is one by now. Slow, as [`verify`](Self::verify).
    ///
    /// # Errors
    /// As [`set`](Self::set); [`io::ErrorKind::AlreadyExists`] when somebody was quicker.
    pub(in crate::web) fn set_first(
        &self,
        name: &str,
        password: &str,
    ) -> io::Result<Result<(), WrongPassword>> {
        if !self.is_empty() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.set(name, Role::Owner, password)
    }

    /// The name and role of a token that somebody shows.
    pub(in crate::web) fn token(&self, shown: &str) -> Option<(Arc<str>, Role)> {
        let shown = digest_of(shown);
        let content = self.content();
        content
            .tokens
            .iter()
            .find(|token| token.digest == shown)
            .map(|token| (Arc::clone(&token.name), token.role))
    }

    /// Makes a token and returns it: this once, since only its digest is kept.
    ///
    /// # Errors
    /// When there are too many, the name is taken or none, or it cannot be kept.
    pub(in crate::web) fn add_token(&self, name: &str, role: Role) -> io::Result<String> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system has no randomness"))?;
        let shown = format!("mg_{}", URL_SAFE_NO_PAD.encode(bytes));
        let token = Token { name: name_of(name)?, role, digest: digest_of(&shown) };
        self.change(|content| {
            if content.tokens.iter().any(|old| old.name == token.name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            content.tokens.push(token);
            (content.tokens.len() <= LIST_MAX)
                .then_some(())
                .ok_or_else(|| io::Error::other("too many tokens"))
        })?;
        Ok(shown)
    }

    /// Makes a token worthless; false when there is none of this name.
    ///
    /// # Errors
    /// When that cannot be kept.
    pub(in crate::web) fn remove_token(&self, name: &str) -> io::Result<bool> {
        let mut found = false;
        self.change(|content| {
            let before = content.tokens.len();
            content.tokens.retain(|token| &*token.name != name);
            found = content.tokens.len() < before;
            Ok(())
        })?;
        Ok(found)
    }

    /// Names and roles of all tokens.
    pub(in crate::web) fn tokens(&self) -> Vec<(Arc<str>, Role)> {
        self.content().tokens.iter().map(|token| (Arc::clone(&token.name), token.role)).collect()
    }

    /// Changes the lists; what cannot be kept is not changed.
    fn change(&self, change: impl FnOnce(&mut Content) -> io::Result<()>) -> io::Result<()> {
        let mut content = self.content();
        let mut changed = content.clone();
        change(&mut changed)?;
        if let Some(path) = &self.path {
            crate::state::replace(path, &serde_json::to_vec_pretty(&changed)?)?;
        }
        *content = changed;
        Ok(())
    }
}

fn name_of(typed: &str) -> io::Result<Arc<str>> {
    let name = typed.trim();
    let right = !name.is_empty() && name.chars().count() <= NAME_MAX && !name.chars().any(char::is_control);
    right.then(|| name.into()).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "this is no name"))
}

fn hash(password: &str) -> io::Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(io::Error::other)?;
    Ok(hash.to_string())
}

fn digest_of(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_opens_its_account_after_a_restart_and_its_file_tells_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = Accounts::load(Some(folder.path())).unwrap();
        assert!(accounts.is_empty());
        assert_eq!(accounts.set_first("owner", "short").unwrap(), Err(WrongPassword::TooShort));
        assert_eq!(accounts.set_first("owner", &"x".repeat(513)).unwrap(), Err(WrongPassword::TooLong));
        assert!(accounts.is_empty());
        accounts.set_first("owner", "correct horse").unwrap().unwrap();
        let second = accounts.set_first("mallory", "battery staple").unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);

        let again = Accounts::load(Some(folder.path())).unwrap();
        assert_eq!(again.role("owner"), Some(Role::Owner));
        assert!(again.verify("owner", "correct horse"));
        assert!(!again.verify("owner", "correct hors"));
        assert!(
            !again.verify("mallory", "") && !again.verify("", ""),
            "what stands for nobody opens nothing"
        );
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let error = Argon2::default().verify_password(b"", &nobody).unwrap_err();
        assert_eq!(error, argon2::password_hash::Error::PasswordInvalid, "it was hashed and compared");
        let text = std::fs::read_to_string(folder.path().join(Accounts::FILE_NAME)).unwrap();
        assert!(text.contains("$argon2id$v=19$m=19456,t=2,p=1$") && !text.contains("horse"));
    }

    #[test]
    fn a_damaged_file_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(Accounts::FILE_NAME), "{").unwrap();
        Accounts::load(Some(folder.path())).unwrap_err();
    }

    #[test]
    fn a_token_is_shown_once_and_worth_nothing_once_removed() {
        let accounts = Accounts::load(None).unwrap();
        let shown = accounts.add_token("grafana", Role::Viewer).unwrap();
        assert!(shown.starts_with("mg_") && shown.len() == 46, "{shown}");
        assert_eq!(accounts.token(&shown), Some(("grafana".into(), Role::Viewer)));
        assert_eq!(accounts.token("mg_"), None);
        accounts.add_token("grafana", Role::Owner).unwrap_err();
        accounts.add_token("  ", Role::Owner).unwrap_err();
        assert_eq!(accounts.tokens().len(), 1);
        assert!(accounts.remove_token("grafana").unwrap() && !accounts.remove_token("grafana").unwrap());
        assert_eq!(accounts.token(&shown), None);
    }
}
