//! Siemens IM150 and IM350 in Austria: the meter number, then clock and numbers by position.
//!
//! Source: Kärnten Netz, description of the customer interface: time, date, A+, A-, R+, R-, P+, P-, two empty elements.
use super::Layout;
use super::rows::{electricity, energy, plain, power};

pub(super) const LAYOUTS: &[Layout] = &[Layout {
    name: "siemens-im350",
    elements: Some(12),
    // 0-6:25.9.0*255, the code under which the first value, the meter number, is sent.
    starts_with: b"\x00\x06\x19\x09\x00\xFF",
    tags: &[],
    automatic: true,
    rows: &[
        plain(2, electricity(0, 9, 1)),
        plain(3, electricity(0, 9, 2)),
        energy(4, 1, 0),
        energy(5, 2, 0),
        energy(6, 3, 0),
        energy(7, 4, 0),
        power(8, 1),
        power(9, 2),
    ],
}];
