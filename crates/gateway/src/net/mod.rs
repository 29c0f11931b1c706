//! What every sink and source on the network shares: where it connects to, how it trusts, what it must not tell.
