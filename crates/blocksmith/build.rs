//! Has cargo build the program again when the page in `web/dist` changes, which the program holds.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
    let built = web.join("dist");
    if web.is_dir() {
        // Cargo would run this each time if the folder that it watches were not there. Where the
        // folder can't be made, that is what happens.
        let _ = std::fs::create_dir_all(&built);
        println!("cargo::rerun-if-changed={}", built.display());
    }
}
