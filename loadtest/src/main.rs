//! `fanfare-loadtest`: everything is in the library, where tests reach it.

fn main() -> std::process::ExitCode {
    fanfare_loadtest::main()
}
