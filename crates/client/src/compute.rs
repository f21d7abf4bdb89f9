//! A member's jobs: what they are ([`JobSpec`]), who may read it ([`KeptJob`]), handed in, and their outputs taken over.
//!
//! Everything of a job lies below one hidden folder of the bucket its results go to ([`JobSpec::folder`]): `spec`, `modules/…`,
//! outputs `o/STAGE/ITEM/SERIAL/…`, blocks of mappers `m/PART/ITEM/SERIAL`. A machine that runs an item is given links: to read
//! just its inputs, and to write just below its item's folder. The center sees sealed names only.
//!
//! (A) The center never holds a key of a job. (B) A stranger's link reaches one item. (C) An output is taken over only when its
//! bytes hash to what the center accepted; taking it over moves no byte.

mod adopt;
mod blocks;
mod cache;
mod earlier;
mod keep;
mod result;
mod spec;
mod submit;
mod work;

pub use adopt::{Adopted, Output};
pub use blocks::{BlockAt, BlocksAll, Merges, SealedBlock, UnderLease, block_object, block_of_object, seal_blocks};
pub use cache::{
    CacheKey, ENTRIES_MAX, Identity, Keying, Known, KnownPlace, LIFE as RESULT_LIFE, PLACES_MAX, ResultCache,
};
pub use earlier::{Given, Sources, remembered};
pub use keep::{KeptJob, SOURCES_MAX};
pub use result::{
    LOG, Made, STDOUT, block_below, block_name, files_name, folder_of, folder_of_attempt, folder_of_item,
    folder_of_part, result_hash,
};
pub use spec::{Earlier, ItemsSpec, JobSpec, JobSpecError, SourceSpec, StageSpec};
pub use submit::{HIDDEN_JOBS, JobAsk, ModuleAsk, Speaker, Submitted, link_note, stage_of};
