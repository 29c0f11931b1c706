//! Kamstrup meters, which are asked over an optical head.
use super::{Keys, Medium, Model};
use crate::{LineSettings, Protocol};

const KMP: Model = Model {
    name: "",
    maker: "",
    title: "",
    operator: None,
    protocol: Protocol::Kmp,
    line: LineSettings::M1200_8N2,
    medium: Medium::Heat,
    keys: Keys::None,
    layout: None,
    signs: &[],
    quirks: &[],
};

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "kamstrup-multical-403",
        maker: "Kamstrup",
        title: "Kamstrup MULTICAL 403",
        quirks: &[
            "head sleeps after about 4 min",
            "echo of the request",
            "default poll 3600 s for battery meters",
        ],
        ..KMP
    },
    Model {
        name: "kamstrup-multical-402",
        maker: "Kamstrup",
        title: "Kamstrup MULTICAL 402",
        quirks: &["head sleeps: a button press or regular polling keeps it awake"],
        ..KMP
    },
    Model { name: "kamstrup-multical-602", maker: "Kamstrup", title: "Kamstrup MULTICAL 602", ..KMP },
    Model {
        name: "kamstrup-multical-21",
        maker: "Kamstrup",
        title: "Kamstrup MULTICAL 21 and flowIQ",
        medium: Medium::Water,
        quirks: &["battery meter: poll sparingly"],
        ..KMP
    },
    Model {
        name: "kamstrup-382",
        maker: "Kamstrup",
        title: "Kamstrup 382 (162, 351)",
        medium: Medium::Electricity,
        quirks: &[
            "some units answer only IEC 62056-21 mode A at 300 7E1",
            "some heads or modules at 9600 baud (not verified)",
        ],
        ..KMP
    },
];
