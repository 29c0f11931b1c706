//! A readout of an IEC 62056-21 meter, in a block with its check character.
use super::written;
use metergate_wire::iec62056_21::Emitter;

/// Data sets of [`telegram`].
pub const VALUES: usize = 9;

/// A readout as mode C sends it after the baud switch, with the identification before it.
#[must_use]
pub fn telegram() -> Vec<u8> {
    let sets: [(&str, &[&str]); VALUES] = [
        ("F.F", &["00000000"]),
        ("0.0.0", &["00000042"]),
        ("1.8.0", &["012345.678*kWh"]),
        ("1.8.1", &["004612.345*kWh"]),
        ("2.8.0", &["001876.543*kWh"]),
        ("1.6.0", &["03.214*kW", "2611181745"]),
        ("32.7", &["231*V"]),
        ("31.7", &["002.34*A"]),
        ("C.1.0", &["42000042"]),
    ];
    written(|out| {
        let mut readout = Emitter::begin(out, b"/MTG5METERGATE-1012")?;
        for (address, groups) in sets {
            let groups: Vec<&[u8]> = groups.iter().map(|group| group.as_bytes()).collect();
            readout.data_set(address.as_bytes(), &groups)?;
            readout.line_end()?;
        }
        readout.finish()
    })
}
