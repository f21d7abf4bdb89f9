//! Tests of the whole house: its import table, and a cloud by the commands a person types.

mod account;
mod audit;
mod bucket_log;
mod center_lost;
mod chaos;
mod clients;
mod cloud;
mod collect;
mod compute;
mod fleet;
mod full;
mod imports;
mod judges;
mod killed;
mod ledger;
mod litmus;
mod many_centers;
#[cfg(target_os = "linux")]
mod mount;
#[cfg(target_os = "linux")]
mod mount_judge;
#[cfg(target_os = "linux")]
mod mount_model;
mod relay;
mod repair;
mod roots;
mod s3;
mod secrets;
mod settle;
mod storage;
mod upload;
mod vetting;
mod webdav;
mod world;
