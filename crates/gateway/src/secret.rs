//! Texts that nobody may read over a shoulder: passwords and tokens.
use std::fmt;
use zeroize::Zeroizing;

/// A password or a token.
///
/// Its `Debug` shows nothing, it has no `Display`, and it is wiped when dropped, as a meter's key is.
///
/// ```
/// use metergate_gateway::secret::Secret;
///
/// let password = Secret::new("correct horse");
/// assert_eq!(format!("{password:?}"), "Secret(..)");
/// assert_eq!(password.expose(), "correct horse");
/// assert_eq!(password.redact("no correct horse here"), "no (secret) here");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A secret from its text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, for the one who must be told alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A text that may hold the secret, such as the address in somebody else's error, without it.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(self.expose(), "(secret)") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// True when the value of a key of the configuration is a secret, by the key's name.
///
/// ```
/// use metergate_gateway::secret::is_secret;
///
/// assert!(is_secret("auth_key") && is_secret("proxy_password") && is_secret("token"));
/// assert!(!is_secret("client_key"), "the name of a file");
/// ```
#[must_use]
pub fn is_secret(key: &str) -> bool {
    key != "client_key" && ["key", "password", "token", "secret"].iter().any(|word| key.contains(word))
}
