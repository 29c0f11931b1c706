//! The step `units`: what systemd itself says about our units, and what the daemon may ask the kernel for.
use crate::place::Place;
use crate::shell::{read, which};
use crate::step::Outcome;
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// The units of `packaging/systemd`, beside each other.
pub(crate) const UNITS: [&str; 2] = ["metergate.service", "metergate@.service"];

/// Highest exposure of `systemd-analyze security`, in tenths: the issue allows 2.0.
const EXPOSURE_MAX: u32 = 20;

/// Lines that may differ between the unit and its template.
const OF_ONE_PROFILE: [&str; 4] = ["Description=", "ExecStart=", "StateDirectory=", "RuntimeDirectory="];

/// Compares the units with each other and asks systemd about each.
pub(crate) fn check(place: &Place) -> Result<Outcome> {
    let [unit, template] = UNITS;
    ensure!(
        settings(&read_unit(place, unit)?) == settings(&read_unit(place, template)?),
        "{unit} and {template} differ in more than {}",
        OF_ONE_PROFILE.join(" ")
    );
    if which("systemd-analyze").is_none() {
        return Ok(Outcome::NotChecked(
            "`systemd-analyze` is missing: `sudo apt-get install systemd`".into(),
        ));
    }
    let mut told = Vec::new();
    for unit in UNITS {
        verify(place, unit)?;
        let exposure = exposure(place, unit)?;
        ensure!(
            exposure <= EXPOSURE_MAX,
            "{unit}: exposure {} is above {}",
            tenths(exposure),
            tenths(EXPOSURE_MAX)
        );
        told.push(format!("{unit} {}", tenths(exposure)));
    }
    Ok(Outcome::Passed(format!("exposure of {}", told.join(", "))))
}

/// The text of a unit.
pub(crate) fn read_unit(place: &Place, unit: &str) -> Result<String> {
    let file = place.root.join("packaging/systemd").join(unit);
    fs::read_to_string(&file).with_context(|| format!("{} is missing", file.display()))
}

/// The manual pages that a unit names, as `name.section`.
pub(crate) fn manual_pages(unit: &str) -> Vec<String> {
    values(unit, "Documentation")
        .flat_map(str::split_whitespace)
        .filter_map(|link| link.strip_prefix("man:")?.strip_suffix(')')?.split_once('('))
        .map(|(name, section)| format!("{name}.{section}"))
        .collect()
}

/// The calls in the output of `strace -f`.
pub(crate) fn system_calls(trace: &str) -> BTreeSet<String> {
    trace
        .lines()
        .filter_map(|line| {
            // `1234  openat(AT_FDCWD, ...`, and for a call that another thread interrupts
            // `1234  <... read resumed>...`, whose beginning has been seen.
            let call = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
            let (name, _) = call.split_once('(')?;
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
        })
        .collect()
}

/// Holds the calls against `SystemCallFilter=` of the unit.
///
/// # Errors
/// When the unit forbids one of them, or systemd does not say what its groups hold.
pub(crate) fn allows(place: &Place, calls: &BTreeSet<String>) -> Result<()> {
    let [name, _] = UNITS;
    let unit = read_unit(place, name)?;
    let groups = read(Command::new("systemd-analyze").arg("syscall-filter"))?;
    let allowed = allowed(&unit, &groups);
    let refused: Vec<&str> =
        calls.iter().filter(|call| !allowed.contains(*call)).map(String::as_str).collect();
    ensure!(refused.is_empty(), "{name} forbids what the daemon does: {}", refused.join(", "));
    Ok(())
}

fn allowed(unit: &str, groups: &str) -> BTreeSet<String> {
    // What is in @default is allowed whatever the filter says.
    let mut allowed = members(groups, "@default");
    for line in values(unit, "SystemCallFilter") {
        let (remove, names) = line.strip_prefix('~').map_or((false, line), |names| (true, names));
        for name in names.split_whitespace() {
            for call in members(groups, name) {
                if remove {
                    allowed.remove(&call);
                } else {
                    allowed.insert(call);
                }
            }
        }
    }
    allowed
}

/// The calls of a group with those of the groups in it; a call by its own name is itself.
fn members(groups: &str, name: &str) -> BTreeSet<String> {
    let mut open = vec![name.to_owned()];
    let mut seen = BTreeSet::new();
    let mut calls = BTreeSet::new();
    while let Some(name) = open.pop() {
        if !name.starts_with('@') {
            calls.insert(name);
        } else if seen.insert(name.clone()) {
            // A group is a line with its name, and its members indented below.
            let body = groups.lines().skip_while(|line| line.trim_end() != name).skip(1);
            let body = body.take_while(|line| line.starts_with(' '));
            open.extend(body.map(|line| line.trim().to_owned()).filter(|line| !line.starts_with('#')));
        }
    }
    calls
}

/// All values of a key, from all sections.
fn values<'a>(unit: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    unit.lines().filter_map(move |line| line.strip_prefix(key)?.strip_prefix('='))
}

/// What a unit sets, without comments and without what is of one profile.
fn settings(unit: &str) -> Vec<&str> {
    unit.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter(|line| !OF_ONE_PROFILE.iter().any(|key| line.starts_with(key)))
        .collect()
}

/// `systemd-analyze verify`, of which only what it says about our unit counts.
fn verify(place: &Place, unit: &str) -> Result<()> {
    let folder = place.target.join("units");
    fs::create_dir_all(&folder)?;
    // The program is not installed here; another that is stands in for it.
    let text = read_unit(place, unit)?.replace("/usr/bin/metergate", "/bin/true");
    let copy = folder.join(unit.replace("@.", "@profile."));
    fs::write(&copy, text)?;
    // Its manual pages are not installed either: the step `package` looks for them.
    let said = read(
        Command::new("systemd-analyze").args(["verify", "--man=no", "--recursive-errors=no"]).arg(&copy),
    )?;
    let about_us: Vec<&str> = said.lines().filter(|line| line.contains("metergate")).collect();
    ensure!(about_us.is_empty(), "systemd-analyze verify:\n{}", about_us.join("\n"));
    Ok(())
}

/// `systemd-analyze security`, in tenths.
fn exposure(place: &Place, unit: &str) -> Result<u32> {
    let file = place.root.join("packaging/systemd").join(unit);
    let said = read(
        Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", "--threshold=100"])
            .arg(file),
    )?;
    overall(&said).with_context(|| format!("systemd-analyze security says no exposure of {unit}:\n{said}"))
}

/// The last line of `systemd-analyze security`: `→ Overall exposure level for metergate.service: 1.7 OK`.
fn overall(said: &str) -> Option<u32> {
    let (_, rest) = said.lines().find(|line| line.contains("Overall exposure level"))?.rsplit_once(": ")?;
    let (whole, tenth) = rest.split_whitespace().next()?.split_once('.')?;
    Some(whole.parse::<u32>().ok()? * 10 + tenth.parse::<u32>().ok()?)
}

fn tenths(exposure: u32) -> String {
    format!("{}.{}", exposure / 10, exposure % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_differs_from_the_unit_only_in_what_a_profile_is() {
        let place = Place::find().expect("tests run in the workspace");
        let [unit, template] = UNITS.map(|unit| read_unit(&place, unit).expect("the units are there"));
        assert_eq!(settings(&unit), settings(&template));
        assert!(values(&template, "ExecStart").all(|line| line.ends_with(" --profile %i")), "{template}");
    }

    #[test]
    fn the_exposure_is_read_from_the_last_line() {
        let said = "✓ UMask= ok\n\n→ Overall exposure level for metergate@.service: 1.7 OK 🙂\n";
        assert_eq!(overall(said), Some(17));
        assert_eq!(overall("→ Overall exposure level for x.service: 10.0 DANGEROUS\n"), Some(100));
        assert_eq!(overall("Unit x.service not found.\n"), None);
    }

    #[test]
    fn a_filter_takes_groups_apart_and_away() {
        let groups = "@default\n    # always\n    read\n\n@big\n    # all\n    @small\n    openat\n\n@small\n    chown\n    write\n";
        let unit = "SystemCallFilter=@big\nSystemCallFilter=~@small\nSystemCallFilter=adjtimex\n";
        let names: Vec<String> = allowed(unit, groups).into_iter().collect();
        assert_eq!(names, ["adjtimex", "openat", "read"]);
    }

    #[test]
    fn calls_are_read_from_a_trace_of_several_threads() {
        let trace = "12  openat(AT_FDCWD, \"a(b\") = 3\n13  read(3,  <unfinished ...>\n13  <... read resumed>\"\") = 0\n\
                     12  +++ exited with 0 +++\n";
        let calls: Vec<String> = system_calls(trace).into_iter().collect();
        assert_eq!(calls, ["openat", "read"]);
    }

    #[test]
    fn every_udev_rule_is_a_list_of_keys_with_quoted_values_and_jumps_forward_to_a_label() {
        let place = Place::find().expect("tests run in the workspace");
        let file = place.root.join("packaging/udev/60-metergate.rules");
        let rules = fs::read_to_string(file).expect("the rules are there");
        let known =
            ["ACTION", "SUBSYSTEM", "KERNEL", "IMPORT", "ENV", "GOTO", "LABEL", "GROUP", "MODE", "SYMLINK"];
        let mut jumps = BTreeSet::new();
        for rule in rules.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            for part in rule.split(", ") {
                let (key, rest) = part.split_once(['=', '!', '+']).expect(part);
                let name = key.split_once('{').map_or(key, |(name, _)| name);
                assert!(known.contains(&name), "{part}");
                let value = rest.trim_start_matches('=').strip_prefix('"').and_then(|v| v.strip_suffix('"'));
                let value = value.filter(|value| !value.contains('"')).expect(part);
                match name {
                    "GOTO" => drop(jumps.insert(value)),
                    "LABEL" => assert!(jumps.remove(value), "nothing jumps to {value} from above"),
                    _ => {}
                }
            }
        }
        assert!(jumps.is_empty(), "no label {jumps:?} below");
    }

    #[test]
    fn manual_pages_are_read_from_a_unit() {
        assert_eq!(
            manual_pages("Documentation=man:metergate-run(1) https://example.org\n"),
            ["metergate-run.1"]
        );
    }
}
