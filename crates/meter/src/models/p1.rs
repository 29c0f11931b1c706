//! Meters with a P1 port.
use super::{Keys, Medium, Model};
use crate::{LineSettings, Protocol};

const P1: Model = Model {
    name: "",
    maker: "",
    title: "",
    operator: None,
    protocol: Protocol::P1,
    line: LineSettings::M115200_8N1,
    medium: Medium::Electricity,
    keys: Keys::None,
    layout: None,
    signs: &[],
    quirks: &[],
};

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "iskra-mt382-nl",
        maker: "Iskraemeco",
        title: "Iskra MT382",
        operator: Some("Netherlands (DSMR 2.2 to 3.0)"),
        line: LineSettings::M9600_7E1,
        // Not -1000: that one stands in every specification example and proves no model.
        signs: &[b"/ISk5\\2MT382-1003", b"/ISk5\\2MT382-1004"],
        quirks: &[
            "no CRC after !",
            "gas value in a second line (0-1:24.3.0)",
            "specification examples of DSMR 4 and 5 carry its name too",
        ],
        ..P1
    },
    Model {
        name: "iskraemeco-am550-nl",
        maker: "Iskraemeco",
        title: "Iskraemeco AM550 (M550T, M550E)",
        operator: Some("Netherlands (DSMR 5)"),
        signs: &[b"/ISK5\\2M550", b"/ISk5\\2M550"],
        ..P1
    },
    Model {
        name: "kaifa-ma304-nl",
        maker: "Kaifa",
        title: "Kaifa MA105 and MA304",
        operator: Some("Netherlands (DSMR 4.2)"),
        signs: &[b"/KFM5KAIFA-METER"],
        ..P1
    },
    Model {
        name: "kamstrup-162-nl",
        maker: "Kamstrup",
        title: "Kamstrup 162 and 382",
        operator: Some("Netherlands (DSMR 2.2)"),
        line: LineSettings::M9600_7E1,
        signs: &[b"/KMP5"],
        quirks: &["no CRC after !"],
        ..P1
    },
    Model {
        name: "landis-gyr-e350-nl",
        maker: "Landis+Gyr",
        title: "Landis+Gyr E350",
        operator: Some("Netherlands (DSMR 2.2 to 4.2)"),
        signs: &[b"/XMX5LG", b"/XMX5XM"],
        quirks: &["older ones 9600 7E1 without CRC"],
        ..P1
    },
    Model {
        name: "landis-gyr-e360-nl",
        maker: "Landis+Gyr",
        title: "Landis+Gyr E360",
        operator: Some("Netherlands (DSMR 5)"),
        signs: &[b"/XMX5LGF"],
        quirks: &["not verified by a capture"],
        ..P1
    },
    Model {
        name: "mcs-nl",
        maker: "MCS",
        title: "MCS meter (model not named)",
        operator: Some("Netherlands"),
        signs: &[b"/MCS5"],
        ..P1
    },
    Model {
        name: "sagemcom-t210-d-nl",
        maker: "Sagemcom",
        title: "Sagemcom T210-D and T211 (ESMR 5)",
        operator: Some("Netherlands"),
        signs: &[b"/Ene5\\T210-D ESMR5.0", b"/Ene5\\T211 ESMR 5.0"],
        ..P1
    },
    Model {
        name: "warmtelink-nl",
        maker: "Nuon/Vattenfall",
        title: "Warmtelink",
        operator: Some("Netherlands"),
        medium: Medium::Heat,
        signs: &[b"/NWA-WARMTELINK"],
        quirks: &["CRC may lack its leading zero"],
        ..P1
    },
    Model {
        name: "sagemcom-xt211-ch",
        maker: "Sagemcom",
        title: "Sagemcom XT211",
        operator: Some("Switzerland (Groupe E)"),
        signs: &[b"/GRE5"],
        quirks: &["1-1: codes", "serial in 0-0:0.0.0", "empty month list 0-0:98.1.0"],
        ..P1
    },
    Model {
        name: "fluvius-be",
        maker: "Sagemcom",
        title: "Fluvius digital meter (Sagemcom S211, T211, XS212)",
        operator: Some("Fluvius (Belgium)"),
        signs: &[b"/FLU5"],
        quirks: &[
            "M-Bus channels by device type not by number",
            "month peaks 1-0:1.6.0 and 0-0:98.1.0",
            "gas in 24.2.3",
        ],
        ..P1
    },
    Model {
        name: "landis-gyr-e360-se",
        maker: "Landis+Gyr",
        title: "Landis+Gyr E360",
        operator: Some("Sweden"),
        signs: &[b"/LGF5E360"],
        quirks: &["kVAr and kVArh spelt with a capital A"],
        ..P1
    },
    Model {
        name: "elster-ell5-se",
        maker: "Honeywell (Elster)",
        title: "Elster/Honeywell (model not named)",
        operator: Some("Sweden"),
        signs: &[b"/ELL5"],
        ..P1
    },
    Model {
        name: "kamstrup-omnia-se",
        maker: "Kamstrup",
        title: "Kamstrup OMNIPOWER with P1 module",
        operator: Some("Sweden"),
        signs: &[b"/KAM5"],
        quirks: &["kVAr and kVArh spelt with a capital A"],
        ..P1
    },
    Model {
        name: "hungary-p1",
        maker: "several",
        title: "P1 meters of E.ON and OPUS TITÁSZ (Sanxing SX631, Wasion)",
        operator: Some("Hungary"),
        signs: &[b"/WSE5"],
        quirks: &[
            "tariff 0-0:96.14.0 as text",
            "limiter 0-0:17.0.0 in W",
            "breaker 0-0:96.3.10 as text",
            "not verified by a capture",
        ],
        ..P1
    },
    Model {
        name: "iskraemeco-ie5t-lt",
        maker: "Iskraemeco",
        title: "Iskraemeco IE.5",
        operator: Some("Lithuania, Slovenia"),
        quirks: &["byte 02 in the identification line in the known example"],
        ..P1
    },
    Model {
        name: "sagemcom-t210-d-lu",
        maker: "Sagemcom",
        title: "Sagemcom T210-D (Smarty)",
        operator: Some("Luxembourg"),
        keys: Keys::Both,
        signs: &[b"/Lux5", b"\xDB\x08SAGg"],
        quirks: &[
            "fixed authentication key 00112233445566778899AABBCCDDEEFF",
            "1-1:31.4.0 holds two limits",
            "empty M-Bus slots with the time 632525252525S",
        ],
        ..P1
    },
    Model {
        name: "sagemcom-t210-d-r-energienetze-steiermark",
        maker: "Sagemcom",
        title: "Sagemcom T210-D-r",
        operator: Some("Energienetze Steiermark"),
        keys: Keys::Both,
        signs: &[b"/EST5", b"\xDB\x08SAG5"],
        quirks: &[
            "values are Wh and W with 9 digits",
            "not kWh",
            "authentication key optional (then authenticated is false)",
        ],
        ..P1
    },
];
