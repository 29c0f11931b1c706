//! What stands above the decoders: detection.
use metergate_bench::telegrams::{self, dlms};
use metergate_meter::detect::detect;

/// Unlabelled bytes. What is named must not depend on luck: the same bytes name the same again.
pub(crate) fn detected(bytes: &[u8]) -> usize {
    let found = detect(bytes);
    assert_eq!(format!("{:?}", detect(bytes)), format!("{found:?}"));
    usize::from(found.is_some_and(|found| found.confidence >= 90))
}

pub(crate) fn detected_seeds() -> Vec<Vec<u8>> {
    let sealed = dlms::sealed(&dlms::notification(), dlms::AUTHENTICATED);
    let seeds = [
        telegrams::sml::telegram(),
        telegrams::p1::telegram(),
        telegrams::iec62056_21::telegram(),
        telegrams::kmp::telegram(),
        dlms::over_mbus(&sealed),
        dlms::over_hdlc(&sealed),
    ];
    // Three of each, as a line shows them.
    seeds.iter().map(|telegram| telegram.repeat(3)).collect()
}
