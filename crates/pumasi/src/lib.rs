//! The program: command line, config, wiring of roles, demo, benches.
