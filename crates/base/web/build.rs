//! Has the program built again when the app was. Nothing is downloaded or built here: `scripts/web` does that.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../web/dist");
    // What is embedded must be there, even where it is empty.
    fs_err::create_dir_all(&app)?;
    println!("cargo::rerun-if-changed={}", app.display());
    Ok(())
}
