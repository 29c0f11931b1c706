//! What every sink and source on the network shares: where it connects to, how it trusts, what it must not tell.
//!
//! Each failure becomes a [`Trouble`](crate::sink::Trouble) whose step tells name resolution, connection, encryption,
//! login and delivery apart ([`trouble`]), since what a person looks at next differs.
pub(crate) mod connect;
pub(crate) mod http;
pub(crate) mod listen;
pub(crate) mod mqtt;
pub(crate) mod tls;
pub(crate) mod trouble;

#[cfg(test)]
mod tests;
