//! English names of the OBIS codes that people meet.
use crate::ObisCode;

/// The name of a code; see [`ObisCode::name`].
pub(crate) fn name(code: ObisCode) -> Option<&'static str> {
    let [a, b, c, d, e, _] = code.bytes();
    match (a, b, c, d, e) {
        (1, _, c, d, e) => electricity(c, d, e),
        (0, _, c, d, e) => abstract_object(c, d, e),
        (6, _, 1, 0 | 2 | 8, _) => Some("heat energy"),
        (6, _, 2, ..) => Some("heat volume"),
        (6, _, 8, 0 | 7, _) => Some("heat power"),
        (6, _, 9, 0 | 7, _) => Some("heat flow rate"),
        (6, _, 10, 0 | 7, _) => Some("flow temperature"),
        (6, _, 11, 0 | 7, _) => Some("return temperature"),
        (6, _, 12, 0 | 7, _) => Some("temperature difference"),
        (7, _, 3, ..) => Some("gas volume"),
        (8, _, 1, ..) => Some("water volume"),
        (129, 129, 199, 130, 3) => Some("manufacturer"),
        (129, 129, 199, 130, 5) => Some("public key"),
        (129, 129, 199, 240, 6) => Some("operating status"),
        _ => None,
    }
}

fn electricity(c: u8, d: u8, e: u8) -> Option<&'static str> {
    Some(match (c, d, e) {
        (0, 0, 9) => "server id",
        (0, 0, _) => "device id",
        (0, 2, 0) => "firmware version",
        (0, 2, 8) => "telegram version",
        (0, 9, 1) => "time",
        (0, 9, 2) => "date",
        (1, 0, 0) => "clock",
        (1, 8, 0) => "active energy import",
        (1, 8, 1) => "active energy import, tariff 1",
        (1, 8, 2) => "active energy import, tariff 2",
        (1, 8, 3) => "active energy import, tariff 3",
        (1, 8, 4) => "active energy import, tariff 4",
        (2, 8, 0) => "active energy export",
        (2, 8, 1) => "active energy export, tariff 1",
        (2, 8, 2) => "active energy export, tariff 2",
        (2, 8, 3) => "active energy export, tariff 3",
        (2, 8, 4) => "active energy export, tariff 4",
        (3, 8, 0) => "reactive energy import",
        (3, 8, 1) => "reactive energy import, tariff 1",
        (3, 8, 2) => "reactive energy import, tariff 2",
        (4, 8, 0) => "reactive energy export",
        (4, 8, 1) => "reactive energy export, tariff 1",
        (4, 8, 2) => "reactive energy export, tariff 2",
        (5, 8, _) => "reactive energy, quadrant I",
        (6, 8, _) => "reactive energy, quadrant II",
        (7, 8, _) => "reactive energy, quadrant III",
        (8, 8, _) => "reactive energy, quadrant IV",
        (9, 8, _) => "apparent energy import",
        (10, 8, _) => "apparent energy export",
        (15, 8, _) => "active energy, absolute",
        (16, 8, _) => "active energy, net",
        (1, 7, 0) => "active power import",
        (2, 7, 0) => "active power export",
        (3, 7, 0) => "reactive power import",
        (4, 7, 0) => "reactive power export",
        (9, 7, 0) => "apparent power import",
        (10, 7, 0) => "apparent power export",
        (13, 7, 0) => "power factor",
        (14, 7, 0) => "frequency",
        (15, 7, 0) => "active power, absolute",
        (16, 7, 0) => "active power, net",
        (21, 7, 0) => "active power import L1",
        (41, 7, 0) => "active power import L2",
        (61, 7, 0) => "active power import L3",
        (22, 7, 0) => "active power export L1",
        (42, 7, 0) => "active power export L2",
        (62, 7, 0) => "active power export L3",
        (23, 7, 0) => "reactive power import L1",
        (43, 7, 0) => "reactive power import L2",
        (63, 7, 0) => "reactive power import L3",
        (24, 7, 0) => "reactive power export L1",
        (44, 7, 0) => "reactive power export L2",
        (64, 7, 0) => "reactive power export L3",
        (36, 7, 0) => "active power L1, net",
        (56, 7, 0) => "active power L2, net",
        (76, 7, 0) => "active power L3, net",
        (33, 7, 0) => "power factor L1",
        (53, 7, 0) => "power factor L2",
        (73, 7, 0) => "power factor L3",
        (31, 7, 0) => "current L1",
        (51, 7, 0) => "current L2",
        (71, 7, 0) => "current L3",
        (90 | 11, 7, 0) => "current",
        (91, 7, 0) => "current, neutral",
        (32, 7, 0) => "voltage L1",
        (52, 7, 0) => "voltage L2",
        (72, 7, 0) => "voltage L3",
        (12, 7, 0) => "voltage",
        (32, 32, 0) => "voltage sags L1",
        (52, 32, 0) => "voltage sags L2",
        (72, 32, 0) => "voltage sags L3",
        (32, 36, 0) => "voltage swells L1",
        (52, 36, 0) => "voltage swells L2",
        (72, 36, 0) => "voltage swells L3",
        (81, 7, 1) => "phase angle U L2 to U L1",
        (81, 7, 2) => "phase angle U L3 to U L1",
        (81, 7, 4) => "phase angle I L1 to U L1",
        (81, 7, 15) => "phase angle I L2 to U L2",
        (81, 7, 26) => "phase angle I L3 to U L3",
        (1, 4, 0) => "average demand import",
        (2, 4, 0) => "average demand export",
        (1, 6, _) => "maximum demand import",
        (2, 6, _) => "maximum demand export",
        (31, 4, 0) => "current limits",
        (96, 1, _) => "meter number",
        (96, 5, _) => "operating status",
        (96, 50, 1) => "manufacturer",
        (96, 90, _) => "configuration",
        (97, 97, 0) => "error status",
        (99, 97, 0) => "power failure log",
        (99, 98, _) => "event log",
        _ => return None,
    })
}

fn abstract_object(c: u8, d: u8, e: u8) -> Option<&'static str> {
    Some(match (c, d, e) {
        (1, 0, 0) => "clock",
        (2, 0, 0) | (0, 2, 0) => "firmware version",
        (17, 0, 0) => "power limit",
        (21, 0, 6) | (25, 9, 0) => "push list",
        (24, 1, 0) => "sub-meter type",
        (24, 2, _) => "sub-meter reading",
        (24, 3, 0) => "sub-meter reading",
        (24, 4, 0) => "sub-meter valve",
        (42, 0, 0) => "logical device name",
        (96, 1, _) => "meter number",
        (96, 3, 10) => "breaker state",
        (96, 4, 0) => "sub-meter switch",
        (96, 7, 9) => "long power failures",
        (96, 7, 21) => "power failures",
        (96, 9, 0) => "ambient temperature",
        (96, 9, 1) => "ambient pressure",
        (96, 9, 2) => "relative humidity",
        (96, 13, 0) => "text message",
        (96, 13, 1) => "text message code",
        (96, 14, 0) => "active tariff",
        (96, 50, _) => "configuration",
        (97, 97, 0) => "error status",
        (98, 1, 0) => "monthly peaks",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::ObisCode;

    #[test]
    fn names_ignore_channel_and_billing_period() {
        assert_eq!(ObisCode::new(1, 1, 32, 7, 0, 255).name(), Some("voltage L1"));
        assert_eq!(ObisCode::new(1, 0, 1, 8, 0, 1).name(), Some("active energy import"));
        assert_eq!(ObisCode::new(0, 2, 24, 2, 1, 255).name(), Some("sub-meter reading"));
    }

    #[test]
    fn heat_meters_have_names_too() {
        assert_eq!(ObisCode::new(6, 0, 10, 0, 0, 255).name(), Some("flow temperature"));
        assert_eq!(ObisCode::new(6, 0, 8, 4, 0, 255).name(), None, "a demand is no momentary power");
    }

    #[test]
    fn an_unknown_code_has_no_name() {
        assert_eq!(ObisCode::new(1, 0, 200, 7, 0, 255).name(), None);
    }
}
