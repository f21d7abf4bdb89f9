//! Tests of the whole house.

mod imports;
