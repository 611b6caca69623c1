use std::process::ExitCode;

fn main() -> ExitCode {
    mux_bench::main()
}
