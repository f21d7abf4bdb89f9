//! Runs foreign WebAssembly under limits; arrives with its own issue, nothing runs yet.
