//! The tables of Home Assistant: units and state classes of each device class that a meter can have.

/// A device class of a sensor.
pub(crate) struct Row {
    pub(crate) device_class: &'static str,
    /// Empty: none. `""` stands for none among others.
    pub(crate) units: &'static [&'static str],
    pub(crate) state_classes: &'static [&'static str],
}

const MEASUREMENT: &[&str] = &["measurement"];
const TOTALS: &[&str] = &["total", "total_increasing"];
const ALL: &[&str] = &["measurement", "total", "total_increasing"];
const VOLUMES: &[&str] = &["ft\u{b3}", "CCF", "MCF", "m\u{b3}", "L", "mL", "gal", "fl. oz."];

/// Device classes of sensors.
pub(crate) const SENSOR: &[Row] = &[
    Row { device_class: "apparent_power", units: &["mVA", "VA", "kVA"], state_classes: MEASUREMENT },
    Row { device_class: "current", units: &["mA", "A"], state_classes: MEASUREMENT },
    Row { device_class: "date", units: &[], state_classes: &[] },
    Row { device_class: "duration", units: &["d", "h", "min", "s", "ms", "\u{3bc}s"], state_classes: ALL },
    Row {
        device_class: "energy",
        units: &[
            "J", "kJ", "MJ", "GJ", "mWh", "Wh", "kWh", "MWh", "GWh", "TWh", "cal", "kcal", "Mcal", "Gcal",
        ],
        state_classes: TOTALS,
    },
    Row { device_class: "enum", units: &[], state_classes: &[] },
    Row { device_class: "frequency", units: &["mHz", "Hz", "kHz", "MHz", "GHz"], state_classes: MEASUREMENT },
    Row { device_class: "gas", units: &["m\u{b3}", "ft\u{b3}", "CCF", "MCF", "L"], state_classes: TOTALS },
    Row {
        device_class: "power",
        units: &["mW", "W", "kW", "MW", "GW", "TW", "BTU/h"],
        state_classes: MEASUREMENT,
    },
    Row { device_class: "power_factor", units: &["%", ""], state_classes: MEASUREMENT },
    Row {
        device_class: "pressure",
        units: &["cbar", "bar", "hPa", "mmHg", "inHg", "kPa", "mbar", "Pa", "psi", "mPa"],
        state_classes: MEASUREMENT,
    },
    Row { device_class: "reactive_energy", units: &["varh", "kvarh"], state_classes: TOTALS },
    Row { device_class: "reactive_power", units: &["mvar", "var", "kvar"], state_classes: MEASUREMENT },
    Row { device_class: "signal_strength", units: &["dB", "dBm"], state_classes: MEASUREMENT },
    Row { device_class: "temperature", units: &["\u{b0}C", "\u{b0}F", "K"], state_classes: MEASUREMENT },
    Row { device_class: "timestamp", units: &[], state_classes: &[] },
    Row { device_class: "voltage", units: &["V", "mV", "\u{3bc}V", "kV", "MV"], state_classes: MEASUREMENT },
    Row { device_class: "volume", units: VOLUMES, state_classes: TOTALS },
    Row {
        device_class: "volume_flow_rate",
        units: &[
            "m\u{b3}/h",
            "m\u{b3}/min",
            "m\u{b3}/s",
            "ft\u{b3}/min",
            "L/h",
            "L/min",
            "L/s",
            "gal/d",
            "gal/h",
            "gal/min",
            "mL/s",
        ],
        state_classes: MEASUREMENT,
    },
    Row {
        device_class: "water",
        units: &["L", "gal", "m\u{b3}", "ft\u{b3}", "CCF", "MCF"],
        state_classes: TOTALS,
    },
    Row {
        device_class: "weight",
        units: &["kg", "g", "mg", "\u{3bc}g", "oz", "lb", "st"],
        state_classes: ALL,
    },
];

/// Device classes of binary sensors.
pub(crate) const BINARY: &[&str] = &[
    "battery",
    "battery_charging",
    "carbon_monoxide",
    "cold",
    "connectivity",
    "door",
    "garage_door",
    "gas",
    "heat",
    "light",
    "lock",
    "moisture",
    "motion",
    "moving",
    "occupancy",
    "opening",
    "plug",
    "power",
    "presence",
    "problem",
    "running",
    "safety",
    "smoke",
    "sound",
    "tamper",
    "update",
    "vibration",
    "window",
];
