//! Every published telegram is named without options.
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
                }
                None => println!("{family}/{name}: maker unknown"),
            }
        }
    }
    println!("{cases} cases: protocol {protocols}, maker or model {makers}");
    assert_eq!(protocols, cases);
    assert!(makers * 10 >= cases * 9, "maker or model of {makers} of {cases}");
}
