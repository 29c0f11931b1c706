//! Meters with an IEC 62056-21 readout or push.
use super::{Keys, Medium, Model};
use crate::{LineSettings, Protocol};

const IEC: Model = Model {
    name: "",
    maker: "",
    title: "",
    operator: None,
    protocol: Protocol::Iec62056_21,
    line: LineSettings::M300_7E1,
    medium: Medium::Electricity,
    keys: Keys::None,
    layout: None,
    signs: &[],
    quirks: &[],
};

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "iskra-mt174",
        maker: "Iskraemeco",
        title: "Iskra MT174",
        signs: &[b"/ISk5MT174"],
        quirks: &[
            "long readout (9528 bytes, 343 data sets in the known capture)",
            "full OBIS addresses A-B:C.D.E*F",
            "date with a leading season digit",
        ],
        ..IEC
    },
    Model {
        name: "landis-gyr-zmd120",
        maker: "Landis+Gyr",
        title: "Landis+Gyr ZMD120",
        signs: &[b"/LGZ5\\2ZMD120", b"/LGZ52ZMD120"],
        quirks: &["own request echoed", "answer without STX ETX BCC in the known capture"],
        ..IEC
    },
    Model {
        name: "landis-gyr-zmd410",
        maker: "Landis+Gyr",
        title: "Landis+Gyr ZMD410",
        signs: &[b"/LGZ5\\2ZMD410"],
        quirks: &["only a made-up capture is known"],
        ..IEC
    },
    Model {
        name: "landis-gyr-e350-zmf100",
        maker: "Landis+Gyr",
        title: "Landis+Gyr E350 ZMF100",
        signs: &[b"/LGZ4ZMF100"],
        quirks: &["LF only", "STX without ETX and BCC in the known text"],
        ..IEC
    },
    Model {
        name: "siemens-td-351x",
        maker: "Siemens",
        title: "Siemens TD-3511 and TD-3510 (AMIS)",
        quirks: &[
            "push customer interface (encrypted M-Bus, AES-CBC) is not supported",
            "optical mode C readout only",
            "not verified by a capture",
        ],
        ..IEC
    },
    Model {
        name: "ace-3k260",
        maker: "Actaris (Itron)",
        title: "ACE 3k260",
        signs: &[b"/ACE0\\3k260"],
        quirks: &["STX without ETX and BCC in the known text"],
        ..IEC
    },
    Model {
        name: "elster-as",
        maker: "Honeywell (Elster)",
        title: "Elster AS (V9.30)",
        signs: &[b"/ELS5\\@V9.30"],
        quirks: &["STX without ETX and BCC in the known text"],
        ..IEC
    },
    Model {
        name: "easymeter-q3d",
        maker: "EasyMeter",
        title: "EasyMeter Q3D",
        line: LineSettings::M9600_7E1,
        signs: &[b"/ESY5Q3D"],
        quirks: &["energy with 7 decimals", "W and not kW", "no BCC"],
        ..IEC
    },
    Model {
        name: "siemens-2wr5",
        maker: "Siemens (Landis+Gyr)",
        title: "Siemens 2WR5 (ULTRAHEAT)",
        medium: Medium::Heat,
        signs: &[b"/SIEC2WR5"],
        quirks: &["data sets without line ends", "values with &", "empty values", "1-digit addresses"],
        ..IEC
    },
];
