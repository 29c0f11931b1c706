//! SML electricity meters, which push over an optical head.
use super::{Keys, Medium, Model};
use crate::{LineSettings, Protocol};

const SML: Model = Model {
    name: "",
    maker: "",
    title: "",
    operator: None,
    protocol: Protocol::Sml,
    line: LineSettings::M9600_8N1,
    medium: Medium::Electricity,
    keys: Keys::None,
    layout: None,
    signs: &[],
    quirks: &[],
};

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "emh-ehz-gw",
        maker: "EMH",
        title: "EMH eHZ-GW8E2A (edition with ASCII ids)",
        quirks: &["power in 1-0:1.7.0 and unsigned", "no total 1.8.0 (only 1.8.1 and 1.8.2)"],
        ..SML
    },
    Model {
        name: "emh-ehz-hw",
        maker: "EMH",
        title: "EMH eHZ-HW8E2A",
        signs: &[b"\x0B\x06EMH\x01\x02"],
        quirks: &["power in 1-0:15.7.0 (absolute value, no sign)", "energies as 5-byte integers"],
        ..SML
    },
    Model {
        name: "emh-ehz-iw",
        maker: "EMH",
        title: "EMH eHZ-IW8E2A",
        signs: &[b"\x0B\x06EMH\x01\x07"],
        quirks: &[
            "entry with a null value (1-0:96.50.2*6)",
            "number without scaler (1-0:96.50.2*4)",
            "5-byte integers",
            "3-byte status word",
        ],
        ..SML
    },
    Model {
        name: "emh-ehz",
        maker: "EMH",
        title: "EMH eHZ (model not named)",
        quirks: &["5-byte integers", "3-byte status word"],
        ..SML
    },
    Model {
        name: "emh-ed300l",
        maker: "EMH",
        title: "EMH ED300L",
        // The eHZ-HW has the same: the maker is named, the model is not.
        signs: &[b"\x0B\x06EMH\x01\x02"],
        quirks: &[
            "without PIN all energies are 0 with scaler 3 and power is absent",
            "5-byte integers",
            "3-byte status word",
        ],
        ..SML
    },
    Model {
        name: "emh-mme",
        maker: "EMH",
        title: "EMH modern meter (mMe, SGM)",
        signs: &[b"\x0B\x0A\x01EMH"],
        quirks: &["3-byte unsigned integers", "3-byte status word", "valTime as secIndex"],
        ..SML
    },
    Model {
        name: "hager-ehz361",
        maker: "Hager",
        title: "Hager eHZ361L5R (made by EMH)",
        signs: &[b"\x06HAGER\x01"],
        quirks: &["feed-in only in 2.8.1", "power in 1-0:1.7.1 with its own sign"],
        ..SML
    },
    Model {
        name: "easymeter-q3a",
        maker: "EasyMeter",
        title: "EasyMeter Q3A",
        quirks: &[
            "energy scaler -4",
            "3-byte status word",
            "1-0:0.0.0 and 129-129:199.240.6 on some firmware",
        ],
        ..SML
    },
    Model {
        name: "easymeter-q3m",
        maker: "EasyMeter",
        title: "EasyMeter Q3M",
        quirks: &[
            "two optical ports: the front one is PIN-locked (scaler 3) and sends no public key",
            "the upper one is always detailed",
        ],
        ..SML
    },
    Model {
        name: "iskra-mt175",
        maker: "Iskraemeco",
        title: "ISKRA MT175",
        signs: &[b"\x0B\x06ISK\x01"],
        quirks: &["power per phase signed in 36/56/76.7.0"],
        ..SML
    },
    Model {
        name: "iskra-mt631",
        maker: "Iskraemeco",
        title: "ISKRA MT631",
        quirks: &["without PIN energies have scaler 3 and power is absent"],
        ..SML
    },
    Model {
        name: "iskra-mt691",
        maker: "Iskraemeco",
        title: "ISKRA MT691 (eHZ-MS2020)",
        quirks: &["message CRC with its leading zero byte dropped"],
        ..SML
    },
    Model {
        name: "efr-sgm",
        maker: "EFR",
        title: "EFR SGM",
        signs: &[b"\x0B\x0A\x01EFR"],
        quirks: &[
            "open response without request file id",
            "firmware in 1-0:0.2.0*0 and 1-0:96.50.1*4",
            "maker in 1-0:0.0.0*1",
        ],
        ..SML
    },
    Model {
        name: "itron-openway-3hz",
        maker: "Itron",
        title: "ITRON OpenWay 3.HZ",
        signs: &[b"\x0B\x0A\x01ITR"],
        quirks: &["group number of the message sent with 4 bytes"],
        ..SML
    },
    Model {
        name: "dzg-dvs74",
        maker: "DZG",
        title: "DZG DVS-7412 and DVS-7420",
        quirks: &[
            "sign bug dzg_signed_power (serials 42000000-48999999 and 55000000-58999999)",
            "3-byte status word",
            "3-byte integers",
        ],
        ..SML
    },
    Model {
        name: "dzg-dwsb20",
        maker: "DZG",
        title: "DZG DWSB20.2TH",
        quirks: &[
            "honest negative power in 2 or 3 bytes (serial outside the sign-bug ranges)",
            "3-byte integers",
        ],
        ..SML
    },
    Model {
        name: "holley-dtz541",
        maker: "Holley",
        title: "Holley DTZ541",
        signs: &[b"\x0B\x0A\x01HLY"],
        quirks: &[
            "valTime and actSensorTime as bare unsigned (no SML_Time choice)",
            "two-byte list header",
            "numbers without scaler",
            "old firmware: CRC-16/KERMIT for transport and messages",
        ],
        ..SML
    },
    Model {
        name: "ebz-dd3",
        maker: "eBZ",
        title: "eBZ DD3",
        signs: &[b"\x0B\x09\x01EBZ"],
        quirks: &["without PIN energies have scaler 3", "with PIN energy scaler -5", "3-byte status word"],
        ..SML
    },
    Model {
        name: "drneuhaus-smarty",
        maker: "Dr. Neuhaus",
        title: "Dr. Neuhaus SMARTY ix-130",
        signs: &[b"\x0B\x09\x01DNT"],
        quirks: &[
            "message CRC with its leading zero byte dropped",
            "power in 1-0:15.7.0 (absolute)",
            "3-byte status word",
        ],
        ..SML
    },
];
