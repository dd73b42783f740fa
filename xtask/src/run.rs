//! Runs other programs from the project's root.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How cargo builds the program.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// Quick to build; the kernels are optimized all the same.
    Dev,
    /// As it is shipped.
    Release,
}

/// The project's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the project's root")
}

/// Cargo's build folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A command in the project's root.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
///
/// # Errors
/// Fails if the command can't be started, or fails.
pub(crate) fn succeed(command: &mut Command) -> Result<(), String> {
    let shown = show(command);
    eprintln!("$ {shown}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown} failed: {status}")),
        Err(error) => Err(format!("{shown} does not start: {error}")),
    }
}

/// A command as a person would type it.
pub(crate) fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words: Vec<_> = [program]
        .into_iter()
        .chain(command.get_args())
        .map(|word| {
            let word = Path::new(word);
            // A machine's own paths would only distract.
            word.strip_prefix(root()).unwrap_or(word).to_string_lossy().into_owned()
        })
        .collect();
    words.join(" ")
}

/// Builds the program. Returns the path of the binary.
///
/// # Errors
/// Fails if it does not build.
pub(crate) fn program(profile: Profile) -> Result<PathBuf, String> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--locked", "--package", "blocksmith", "--bin", "blocksmith"]);
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => {
            build.arg("--release");
            "release"
        }
    };
    eprintln!("building blocksmith; the first time takes some minutes");
    succeed(&mut build)?;
    Ok(target().join(folder).join(format!("blocksmith{}", std::env::consts::EXE_SUFFIX)))
}
