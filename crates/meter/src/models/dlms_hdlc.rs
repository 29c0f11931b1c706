//! Meters that push DLMS over HDLC: HAN ports of the Nordic countries, Switzerland, Slovenia, Croatia and parts of Austria.
use super::{Keys, Medium, Model};
use crate::{LineSettings, Protocol};

const HDLC: Model = Model {
    name: "",
    maker: "",
    title: "",
    operator: None,
    protocol: Protocol::DlmsHdlc,
    line: LineSettings::M2400_8E1,
    medium: Medium::Electricity,
    keys: Keys::None,
    layout: None,
    signs: &[],
    quirks: &[],
};

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "kaifa-ma304h3e-no",
        maker: "Kaifa",
        title: "Kaifa MA304H3E",
        operator: Some("Norway"),
        layout: Some("kaifa-kfm-001"),
        signs: &[b"KFM_001"],
        quirks: &["extra type tag 09 before the date-time of the data-notification"],
        ..HDLC
    },
    Model {
        name: "kaifa-ma304h3e-se",
        maker: "Kaifa",
        title: "Kaifa MA304H3E",
        operator: Some("Sweden (HAN with the Norwegian list)"),
        layout: Some("kaifa-kfm-001"),
        signs: &[b"KFM_001"],
        quirks: &[
            "extra type tag 09 before the date-time of the data-notification",
            "not verified by a capture",
        ],
        ..HDLC
    },
    Model {
        name: "kamstrup-omnipower-dk",
        maker: "Kamstrup",
        title: "Kamstrup OMNIPOWER",
        operator: Some("Denmark"),
        line: LineSettings::M2400_8N1,
        keys: Keys::Both,
        layout: Some("kamstrup-v0001"),
        signs: &[b"\xDB\x08KAM"],
        quirks: &["security control 30 with tag"],
        ..HDLC
    },
    Model {
        name: "kamstrup-684x-no",
        maker: "Kamstrup",
        title: "Kamstrup 684x (OMNIPOWER with HAN module)",
        operator: Some("Norway"),
        line: LineSettings::M2400_8N1,
        layout: Some("kamstrup-v0001"),
        signs: &[b"Kamstrup_V0001"],
        quirks: &["extra type tag 09 before the date-time on old firmware"],
        ..HDLC
    },
    Model {
        name: "kamstrup-684x-se",
        maker: "Kamstrup",
        title: "Kamstrup 684x (OMNIPOWER with HAN module)",
        operator: Some("Sweden"),
        line: LineSettings::M2400_8N1,
        layout: Some("kamstrup-v0001"),
        signs: &[b"Kamstrup_V0001"],
        quirks: &["not verified by a capture", "some were changed to P1 by firmware"],
        ..HDLC
    },
    Model {
        name: "aidon-6515-no",
        maker: "Aidon",
        title: "Aidon 6515 (one phase)",
        operator: Some("Norway"),
        signs: &[b"\x0A\x046515"],
        ..HDLC
    },
    Model {
        name: "aidon-6525-no",
        maker: "Aidon",
        title: "Aidon 6525 (three phases)",
        operator: Some("Norway"),
        signs: &[b"\x0A\x046525"],
        ..HDLC
    },
    Model {
        name: "iskraemeco-am550-si",
        maker: "Iskraemeco",
        title: "Iskraemeco AM550",
        operator: Some("Slovenia"),
        line: LineSettings::M115200_8N1,
        layout: Some("iskraemeco-am550"),
        signs: &[b"ISK10"],
        quirks: &["38400 8N1 reported for one operator"],
        ..HDLC
    },
    Model {
        name: "iskraemeco-am550-hr",
        maker: "Iskraemeco",
        title: "Iskraemeco AM550",
        operator: Some("Croatia"),
        line: LineSettings::M115200_8N1,
        layout: Some("iskraemeco-am550"),
        signs: &[b"ISK10"],
        quirks: &["not verified by a capture"],
        ..HDLC
    },
    Model {
        name: "iskraemeco-am550-ch",
        maker: "Iskraemeco",
        title: "Iskraemeco AM550",
        operator: Some("Switzerland"),
        line: LineSettings::M115200_8N1,
        layout: Some("iskraemeco-am550-ch"),
        signs: &[b"ISK10"],
        quirks: &["HDLC segmentation: LLC header only in the first frame"],
        ..HDLC
    },
    Model {
        name: "iskraemeco-am550-wiener-netze",
        maker: "Iskraemeco",
        title: "Iskraemeco AM550",
        operator: Some("Wiener Netze"),
        line: LineSettings::M9600_8N1,
        keys: Keys::Encryption,
        layout: Some("iskraemeco-am550-wiener-netze"),
        signs: &[b"\xDB\x08ISK"],
        quirks: &["security control 20 (no tag)", "optical interface"],
        ..HDLC
    },
    Model {
        name: "siemens-im350",
        maker: "Siemens",
        title: "Siemens IM350 and IM150",
        operator: Some("Austria (Kärnten Netz P1 socket)"),
        line: LineSettings::M115200_8N1,
        keys: Keys::Encryption,
        layout: Some("siemens-im350"),
        signs: &[b"\xDB\x08SMS"],
        quirks: &["security control 20 (no tag)", "HDLC source address of 4 bytes"],
        ..HDLC
    },
    Model {
        name: "siemens-im350-wiener-netze",
        maker: "Siemens",
        title: "Siemens IM350 and IM150",
        operator: Some("Wiener Netze"),
        line: LineSettings::M9600_8N1,
        keys: Keys::Encryption,
        layout: Some("siemens-im350"),
        signs: &[b"\xDB\x08SMS"],
        quirks: &["optical interface", "not verified by a capture"],
        ..HDLC
    },
    Model {
        name: "landis-gyr-e450-ch",
        maker: "Landis+Gyr",
        title: "Landis+Gyr E450",
        operator: Some("Switzerland"),
        keys: Keys::Both,
        layout: Some("landis-gyr-e450"),
        quirks: &[
            "some are set to 9600 baud",
            "encrypted ones with tag (security control 30) send clock + 16 numbers",
        ],
        ..HDLC
    },
    Model {
        name: "landis-gyr-e570-ch",
        maker: "Landis+Gyr",
        title: "Landis+Gyr E570",
        operator: Some("Switzerland"),
        keys: Keys::Encryption,
        layout: Some("landis-gyr-e570"),
        quirks: &["64-bit numbers", "security control 20 (no tag) where encrypted"],
        ..HDLC
    },
    Model {
        name: "landis-gyr-e360-ch",
        maker: "Landis+Gyr",
        title: "Landis+Gyr E360",
        operator: Some("Switzerland"),
        line: LineSettings::M115200_8N1,
        layout: Some("landis-gyr-e360"),
        quirks: &["9600 8N1 or 2400 8E1 on some", "voltages in the order L1 L3 L2"],
        ..HDLC
    },
    Model {
        name: "landis-gyr-zmf100",
        maker: "Landis+Gyr",
        title: "Landis+Gyr ZMF100 (HDLC push)",
        quirks: &["only a damaged dump is known (FCS wrong)"],
        ..HDLC
    },
];
