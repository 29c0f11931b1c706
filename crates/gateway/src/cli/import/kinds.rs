//! Which kinds of sink are written as they are, and which in comments.
use super::draft::Block;
use super::tree::Place;

/// Kinds of sink that metergate has. A test compares them with what the configuration accepts: when a kind arrives,
/// it is added here and nowhere else.
pub(super) const KINDS: &[&str] = &["stdout", "csv", "mqtt", "homie", "influx", "volkszaehler"];

/// Puts the section of a kind that metergate does not have into comments.
pub(super) fn check(kind: &str, place: &Place, block: &mut Block) {
    if !KINDS.contains(&kind) {
        block.switch_off(place, format!("the sink: this metergate has no kind `{kind}` yet"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, Surroundings, load_in};

    /// A section of each kind as the importer writes it.
    const SECTIONS: &[(&str, &str)] = &[
        ("stdout", ""),
        ("csv", "directory = \"csv\"\n"),
        (
            "mqtt",
            "url = \"mqtts://broker:8883\"\nusername = \"u\"\nprefix = \"vzlogger/data\"\nper_register = true\nretain = true\nqos = 0\nclient_id = \"vzlogger\"\nkeep_alive = \"30 s\"\ndiscovery = \"off\"\n",
        ),
        (
            "homie",
            "url = \"mqtt://broker:1883\"\ndevice = \"electric-smart-meter\"\nname = \"T210-D-r Stromzähler\"\n",
        ),
        ("influx", "url = \"http://host:8086\"\nversion = 1\ndatabase = \"vz\"\n"),
        ("influx", "url = \"http://host:8086\"\nversion = 2\norg = \"o\"\nbucket = \"vz\"\n"),
        (
            "volkszaehler",
            "url = \"http://host/middleware.php\"\n[default.sink.x.channels]\n\"00000000-1111-2222-3333-444444444401\" = \"1-0:1.8.0\"\n",
        ),
    ];

    #[test]
    fn kinds_that_the_configuration_accepts_are_written_and_no_others() {
        for (kind, keys) in SECTIONS {
            let folder = tempfile::tempdir().unwrap();
            let meter = "[default.meter.m]\nport = \"/dev/ttyS0\"\n";
            let toml = format!("{meter}[default.sink.x]\nkind = \"{kind}\"\n{keys}");
            std::fs::write(folder.path().join("metergate.toml"), toml).unwrap();
            let around = Surroundings { variables: Vec::new(), folder: folder.path().to_owned() };
            let loaded = load_in(&Source::file("metergate.toml"), &around);
            // A login is in the secrets; that it is missing here is no matter of the kind.
            let says = loaded.as_ref().map_or_else(ToString::to_string, |_| "accepted".to_owned());
            assert_eq!(loaded.is_ok(), KINDS.contains(kind), "`{kind}` in KINDS of this file: {says}");
        }
    }
}
