//! Writes the manual pages, which say what the command line says.
//!
//! `cargo run -p metergate-gateway --example man_pages FOLDER` writes `metergate.1` and one page a command into the
//! folder; `cargo xtask man` does so for the package. Without a folder the first page goes to standard output:
//! `cargo run -p metergate-gateway --example man_pages | man -l -`.
//!
//! It is an example so that nothing of it is in the shipped program.
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use metergate_gateway::cli::Cli;
use std::io::{self, Write};
use std::path::Path;

fn main() -> io::Result<()> {
    let mut program = Cli::command().disable_help_subcommand(true);
    // Gives each command its full name and the options of all.
    program.build();
    match std::env::args_os().nth(1) {
        None => write_page(&program, &mut io::stdout().lock()),
        Some(folder) => {
            let folder = Path::new(&folder);
            std::fs::create_dir_all(folder)?;
            for command in std::iter::once(&program).chain(program.get_subcommands()) {
                let mut page = Vec::new();
                write_page(command, &mut page)?;
                std::fs::write(folder.join(format!("{}.1", name(command))), page)?;
            }
            Ok(())
        }
    }
}

fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn write_page(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let command = command.clone().subcommand_help_heading("COMMANDS").subcommand_value_name("COMMAND");
    let (has_commands, has_notes) = (command.has_subcommands(), command.get_after_help().is_some());
    let is_program = !name(&command).contains('-');
    let man = Man::new(command).source(format!("metergate {version}")).manual("metergate");
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if has_commands {
        man.render_subcommands_section(out)?;
    }
    if has_notes {
        let mut notes = Vec::new();
        man.render_extra_section(&mut notes)?;
        // The generator has no other word for what stands below the help text.
        out.write_all(String::from_utf8_lossy(&notes).replacen(".SH EXTRA", ".SH NOTES", 1).as_bytes())?;
    }
    let mut more = Roff::new();
    if is_program {
        files(&mut more);
    }
    more.control("SH", ["SEE ALSO"]);
    if !is_program {
        more.text([bold("metergate"), roman("(1)")]);
        more.control("PP", []);
    }
    more.text([roman("Configuration, service and output are described in /usr/share/doc/metergate.")]);
    more.to_writer(out)
}

/// What the program reads and writes by itself; the same as in the units.
fn files(page: &mut Roff) {
    page.control("SH", ["FILES"]);
    for (path, what) in [
        ("/etc/metergate/metergate.toml", "The configuration; see configuration.md."),
        ("/etc/metergate/metergate.secrets.toml", "Keys and passwords, which nobody else may read."),
        ("/var/lib/metergate", "The state of the service: what must survive a restart."),
        ("/run/metergate/status.json", "How the service is doing."),
    ] {
        page.control("TP", []);
        page.text([bold(path)]);
        page.text([roman(what)]);
    }
}
