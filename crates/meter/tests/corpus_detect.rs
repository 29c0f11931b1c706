//! Every published telegram is named without options.
#![allow(clippy::unwrap_used, reason = "a corpus that cannot be read should stop the test at once")]
use metergate_meter::detect::detect;
use std::path::{Path, PathBuf};

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("corpus not present: skipped");
    None
}

/// Words by which the collection names meters, and the makers that may then be named: some makers build for others.
const BRANDS: &[(&str, &[&str])] = &[
    ("emh", &["EMH", "Hager"]),
    ("easymeter", &["EasyMeter"]),
    ("iskra", &["Iskraemeco"]),
    ("efr", &["EFR"]),
    ("itron", &["Itron", "Actaris (Itron)"]),
    ("dzg", &["DZG"]),
    ("holley", &["Holley"]),
    ("ebz", &["eBZ"]),
    ("neuhaus", &["Dr. Neuhaus"]),
    ("kaifa", &["Kaifa"]),
    ("sagemcom", &["Sagemcom"]),
    ("elster", &["Honeywell (Elster)"]),
    ("kamstrup", &["Kamstrup"]),
    ("multical", &["Kamstrup"]),
    ("aidon", &["Aidon"]),
    ("siemens", &["Siemens", "Siemens (Landis+Gyr)"]),
    ("landis+gyr", &["Landis+Gyr", "Siemens (Landis+Gyr)"]),
    ("fluvius", &["Sagemcom"]),
    ("mcs", &["MCS"]),
];

/// What the collection says about the meter, in its own free words and in small letters.
fn published_meter(file: &Path) -> String {
    let table: toml::Table = std::fs::read_to_string(file.with_extension("toml")).unwrap().parse().unwrap();
    table["meter"].as_str().unwrap().to_lowercase()
}

/// True when the words name makers and none of them may be called `maker`.
fn contradicts(maker: &str, told: &str) -> bool {
    let mut named = BRANDS.iter().filter(|(word, _)| told.contains(word)).peekable();
    named.peek().is_some() && !named.any(|(_, makers)| makers.contains(&maker))
}

#[test]
fn a_wrong_maker_would_be_seen() {
    assert!(contradicts("Kaifa", "sagemcom t210-d (netz n\u{f6})"));
    assert!(!contradicts("Sagemcom", "sagemcom t210-d (netz n\u{f6})"));
    assert!(!contradicts("Kamstrup", "dsmr-2.2"), "words without a maker contradict none");
}

#[test]
fn every_case_is_named_with_its_protocol_and_most_with_maker_or_model() {
    let Some(corpus) = corpus() else { return };
    let (mut cases, mut protocols, mut makers) = (0u32, 0u32, 0u32);
    for (family, protocol) in [
        ("sml", "sml"),
        ("dlms-mbus", "dlms-mbus"),
        ("dlms-hdlc", "dlms-hdlc"),
        ("p1", "p1"),
        ("p1-encrypted", "p1"),
        ("kmp", "kmp"),
        ("iec62056-21", "iec62056-21"),
    ] {
        let mut files: Vec<_> = std::fs::read_dir(corpus.join(family))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ext| ext == "bin"))
            .collect();
        files.sort();
        for file in files {
            cases += 1;
            let found = detect(&std::fs::read(&file).unwrap());
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            let named = found.map(|found| found.protocol.name());
            if named == Some(protocol) {
                protocols += 1;
            } else {
                println!("{family}/{name}: named {named:?}");
            }
            match found.and_then(|found| found.recognition) {
                Some(recognition) => {
                    makers += 1;
                    let model = recognition.model.map_or("model not told", |model| model.name);
                    println!("{family}/{name}: {}, {model}", recognition.maker);
                    let told = published_meter(&file);
                    assert!(
                        !contradicts(recognition.maker, &told),
                        "{family}/{name}: named {}, but it is {told}",
                        recognition.maker
                    );
                }
                None => println!("{family}/{name}: maker unknown"),
            }
        }
    }
    println!("{cases} cases: protocol {protocols}, maker or model {makers}");
    assert_eq!(protocols, cases);
    assert!(makers * 10 >= cases * 9, "maker or model of {makers} of {cases}");
}
