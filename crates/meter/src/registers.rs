//! The registers of a telegram, whatever it is written in.
use crate::{dlms, iec62056_21, kmp, p1, sml};
use metergate_reading::Register;

/// Walks the registers of a telegram in its order: nothing added, nothing dropped.
///
/// Everything was validated before the telegram was accepted, so walking cannot fail.
#[derive(Debug, Clone)]
pub enum Registers<'a> {
    /// Of an SML list.
    Sml(sml::Registers<'a>),
    /// Of a DLMS data-notification.
    Dlms(dlms::Registers<'a>),
    /// Of a P1 telegram.
    P1(p1::Registers<'a>),
    /// Of a KMP answer.
    Kmp(kmp::Registers<'a>),
    /// Of an IEC 62056-21 readout.
    Iec62056_21(iec62056_21::Registers<'a>),
}

impl<'a> Iterator for Registers<'a> {
    type Item = Register<'a>;

    fn next(&mut self) -> Option<Register<'a>> {
        match self {
            Self::Sml(registers) => registers.next(),
            Self::Dlms(registers) => registers.next(),
            Self::P1(registers) => registers.next(),
            Self::Kmp(registers) => registers.next(),
            Self::Iec62056_21(registers) => registers.next(),
        }
    }
}
