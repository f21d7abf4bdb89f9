//! The child alone, for tests of this room; the program proper has it as a hidden verb.

fn main() -> std::process::ExitCode {
    sandbox::child::main(std::env::args().skip(1))
}
