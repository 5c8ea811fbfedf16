//! Leaves symbols out of the library, without another profile for the crates it consists of.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,--strip-all");
}
