//! Meters that push DLMS over wired M-Bus: Austrian customer interfaces.
use super::{Keys, Medium, Model};
use crate::{LineSettings, Protocol};

const MBUS: Model = Model {
    name: "",
    maker: "",
    title: "",
    operator: None,
    protocol: Protocol::DlmsMbus,
    line: LineSettings::M2400_8E1,
    medium: Medium::Electricity,
    keys: Keys::Encryption,
    layout: None,
    signs: &[],
    quirks: &[],
};

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "kaifa-ma309m-netz-noe",
        maker: "Kaifa",
        title: "Kaifa MA309M",
        operator: Some("Netz NÖ (EVN)"),
        signs: &[b"\xDB\x08KFM"],
        quirks: &[
            "security control 20 (no tag)",
            "frames FA + 14",
            "gap of about 160 ms between frames on some",
            "first frame CI=FF on some",
        ],
        ..MBUS
    },
    Model {
        name: "kaifa-ma309m-vkw",
        maker: "Kaifa",
        title: "Kaifa MA309M",
        operator: Some("Vorarlberger Energienetze (VKW)"),
        signs: &[b"\xDB\x08KFM"],
        quirks: &["security control 21 (suite 1, no tag)", "length 82 01 55", "frames FA + 72"],
        ..MBUS
    },
    Model {
        name: "kaifa-ma309m-tinetz",
        maker: "Kaifa",
        title: "Kaifa MA309M",
        operator: Some("TINETZ"),
        signs: &[b"\xDB\x08KFM"],
        quirks: &["security control 21 (suite 1, no tag)"],
        ..MBUS
    },
    Model {
        name: "kaifa-ma309m-salzburg",
        maker: "Kaifa",
        title: "Kaifa MA309M",
        operator: Some("Salzburg Netz"),
        signs: &[b"\xDB\x08KFM"],
        quirks: &["security control 21 (suite 1, no tag)", "not verified by a capture"],
        ..MBUS
    },
    Model {
        name: "kaifa-ma309m-ikb",
        maker: "Kaifa",
        title: "Kaifa MA309M",
        operator: Some("Innsbrucker Kommunalbetriebe (IKB)"),
        signs: &[b"\xDB\x08KFM"],
        quirks: &["security control 21 (suite 1, no tag)", "not verified by a capture"],
        ..MBUS
    },
    Model {
        name: "kaifa-ma110m-netz-noe",
        maker: "Kaifa",
        title: "Kaifa MA110M (one phase)",
        operator: Some("Netz NÖ (EVN)"),
        signs: &[b"\xDB\x08KFM"],
        quirks: &["not verified by a capture"],
        ..MBUS
    },
    Model {
        name: "kaifa-ma110m-tinetz",
        maker: "Kaifa",
        title: "Kaifa MA110M (one phase)",
        operator: Some("TINETZ"),
        signs: &[b"\xDB\x08KFM"],
        quirks: &["security control 21 (suite 1, no tag)", "11 registers", "300 bytes on the line"],
        ..MBUS
    },
    Model {
        name: "honeywell-dm515-vkw",
        maker: "Honeywell (Elster)",
        title: "Honeywell DM515 (one phase)",
        operator: Some("Vorarlberger Energienetze (VKW)"),
        quirks: &["not verified by a capture"],
        ..MBUS
    },
    Model {
        name: "honeywell-dm515-tinetz",
        maker: "Honeywell (Elster)",
        title: "Honeywell DM515 (one phase)",
        operator: Some("TINETZ"),
        quirks: &["not verified by a capture"],
        ..MBUS
    },
    Model {
        name: "elster-els-salzburg",
        maker: "Honeywell (Elster)",
        title: "Elster ELS",
        operator: Some("Salzburg Netz"),
        signs: &[b"\xDB\x08ELSe"],
        quirks: &["security control 20 (no tag)", "single M-Bus frame"],
        ..MBUS
    },
    Model {
        name: "sagemcom-t210-d-netz-noe",
        maker: "Sagemcom",
        title: "Sagemcom T210-D",
        operator: Some("Netz NÖ (EVN)"),
        signs: &[b"\xDB\x08SAG"],
        quirks: &[
            "t210_wrapped_length: first frame L=01 stands for 257 (frame 263 bytes)",
            "newer firmware FA + 14",
            "power factor i16 signed",
        ],
        ..MBUS
    },
];
