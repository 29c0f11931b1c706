//! Servers and certificates of tests, the same that the tests of the folder `tests` have.
#[path = "../tests/support/carbon.rs"]
pub(crate) mod carbon;
#[path = "../tests/support/certificates.rs"]
pub(crate) mod certificates;
#[path = "../tests/support/http_server.rs"]
pub(crate) mod http_server;
#[path = "../tests/support/ports.rs"]
pub(crate) mod ports;
#[path = "../tests/support/tls_server.rs"]
pub(crate) mod tls_server;
#[path = "../tests/support/victoria.rs"]
pub(crate) mod victoria;
