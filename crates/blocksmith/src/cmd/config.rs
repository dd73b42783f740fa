//! `blocksmith config`: what the settings file can say.

use std::io::Write as _;
use std::process::ExitCode;

use super::stdout;
use crate::config::{SETTINGS, Setting, usual_path};
use crate::text::{escaped, lines};

/// Print an example of a settings file
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Clone, Copy, clap::Subcommand)]
enum ConfigCommand {
    /// Print a settings file with every setting
    ///
    /// Each setting is behind a #, which makes it a comment. Save the text as the file that its first
    /// lines name, and remove the # before what you want to set.
    Example,
}

/// Runs the command.
///
/// # Errors
/// Fails if the output can't be written.
pub fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let ConfigCommand::Example = args.command;
    let path = usual_path().map_or_else(
        |_| "a file that --config or BLOCKSMITH_CONFIG names".into(),
        |path| escaped(path.display()).to_string(),
    );
    let mut text = format!(
        "\
# Settings for blocksmith, for all its commands. Save this text as
#   {path}
# and remove the # before each setting that you want. A command ignores settings that it has no use
# for. A flag (--port) comes before the environment (BLOCKSMITH_PORT), and that before this file.
# A path in this file starts from the folder of the file.
"
    );
    for Setting { key, what, example } in &SETTINGS {
        text += &format!("\n# {what}\n# {key} = {example}\n");
    }
    write!(stdout(), "{}", lines(text))?;
    Ok(ExitCode::SUCCESS)
}
