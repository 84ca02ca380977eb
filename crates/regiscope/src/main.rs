//! The program `regiscope`: thin forms of what the library does, worded for people and for scripts.

mod program;

fn main() -> std::process::ExitCode {
    program::main()
}
