//! Sees that the browser's script and icons have been made, and says how where they have not.

fn main() {
    for made in ["assets/dist/app.js", "assets/dist/icons.svg"] {
        println!("cargo::rerun-if-changed={made}");
        if !std::path::Path::new(made).exists() {
            println!("cargo::error={made} is not there yet: run `cargo xtask assets` once (it needs Node.js and npm)");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=locales");
    println!("cargo::rerun-if-changed=templates");
}
