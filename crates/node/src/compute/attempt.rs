//! One lease: its parcels fetched, its items run one after the other, what they made stored and reported.

use super::guests::Place;
use super::input::{self, Buckets, Fetched};
use super::output::{self, Object, Product};
use super::runner::Shared;
use super::shuffle::{Lack, Part};
use client::ClientError;
use client::compute::{BlocksAll, SealedBlock, seal_blocks};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use model::compute::{FailKind, Trust};
use model::errors;
use sandbox::{Attempt as Guest, AttemptError, End, Limits, Outcome};
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::compute::{
    Brief, InputForm, ItemFate, ItemResult, ItemTrouble, ModuleRef, OutputForm, Parcel, ParcelAsk, WorkLease,
    WorkReport,
};
use wire::limits::MISSING_MAX;
use wire::signed::LeaseBody;

/// Items of a lease whose input is fetched while another one of it runs.
const AHEAD: usize = 4;
/// Finished items are stored and reported at the latest after this.
const FLUSH_AFTER: Duration = Duration::from_secs(2);
/// Tries to get parcels, or to store; pauses between them.
const TRIES: u32 = 3;
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// Most fuel of an item where nobody knows yet what it takes.
const FUEL_UNKNOWN: u64 = 10_000_000_000_000;

/// Longest wall time of an item, most output or scratch, most standard error that is kept.
const WALL_MAX: Duration = Duration::from_secs(2 * 3_600);
const OUTPUT_MAX: u64 = 1 << 30;
const STDERR_MAX: u64 = 1 << 20;

/// A lease at work.
pub struct Attempt {
    shared: Arc<Shared>,
    lease: WorkLease,
    body: LeaseBody,
    place: Place,
}

/// Why the rest of a lease is given back.
enum Stop {
    /// Nobody is to blame and nothing is to be said: canceled, evicted.
    Quiet,
    /// Told already.
    Told,
}

/// A finished item.
struct Finished {
    result: ItemResult,
    objects: Vec<Object>,
    /// What a mapper made for its parts.
    blocks: Vec<Arc<SealedBlock>>,
    parcel: Parcel,
}

impl Attempt {
    /// Of a lease that was read.
    pub const fn new(shared: Arc<Shared>, lease: WorkLease, body: LeaseBody, place: Place) -> Self {
        Self { shared, lease, body, place }
    }

    /// Runs it to its end; says what became of it.
    pub async fn run(self) {
        if let Err(Stop::Quiet) = self.work().await {
            self.shared.tell(WorkReport::Over(self.body.serial)).await;
        }
    }

    async fn work(&self) -> Result<(), Stop> {
        let (brief, links, parcels) = self.parcels().await?;
        let buckets = Buckets::new(self.shared.client.clone(), links);
        let module = match self.shared.module(&brief, &brief.module).await {
            Ok(module) => module,
            Err(error) => return Err(self.trouble(self.body.first, kind_of(&error), &error, 0).await),
        };
        let blocks = self.blocks(&brief).await?;
        let (mut done, mut since, mut count) = (Vec::new(), Instant::now(), 0);
        // What the next ones read is fetched while a guest runs.
        let ahead = if matches!(brief.input, InputForm::Merged { .. }) { 1 } else { AHEAD };
        let inputs: Vec<BoxFuture<'_, Result<Fetched, Fault>>> =
            parcels.iter().map(|parcel| self.input(&brief, &buckets, parcel, &blocks).boxed()).collect();
        let mut inputs = pin!(stream::iter(inputs).buffered(ahead));
        let mut fetched = VecDeque::new();
        for parcel in &parcels {
            let input = match fetched.pop_front() {
                Some(input) => Some(input),
                None => inputs.next().await,
            };
            let mut making = pin!(async {
                match input {
                    Some(Ok(input)) => self.item(&brief, &module, parcel, input).await,
                    Some(Err(fault)) => Err(fault),
                    None => Err(Fault::item(parcel.item, FailKind::Host, 0, 0)),
                }
            });
            let made = loop {
                tokio::select! {
                    biased;
                    made = &mut making => break made,
                    Some(input) = inputs.next(), if fetched.len() < ahead => fetched.push_back(input),
                }
            };
            match made {
                Ok(finished) => done.push(finished),
                Err(Fault::Stopped) => {
                    self.flush(&buckets, std::mem::take(&mut done)).await?;
                    return Err(Stop::Quiet);
                }
                Err(Fault::Item(trouble, log)) => {
                    tracing::debug!(serial = self.body.serial, item = parcel.item, kind = %trouble.kind, "an item failed");
                    if let Some(log) = log.and_then(|log| output::log(self.body.serial, parcel, log))
                        && let Err(error) = output::store(&self.shared.client, &buckets, vec![log]).await
                    {
                        tracing::debug!(%error, "a failed item's log was not stored");
                    }
                    self.shared.tell(WorkReport::Failed(self.body.serial, trouble)).await;
                }
                Err(Fault::Missing(stage, items)) => {
                    self.flush(&buckets, std::mem::take(&mut done)).await?;
                    tracing::info!(
                        serial = self.body.serial,
                        item = parcel.item,
                        lost = items.len(),
                        "blocks are gone"
                    );
                    let items = items.into_iter().take(MISSING_MAX).collect();
                    self.shared.tell(WorkReport::Missing(self.body.serial, stage, items)).await;
                    return Err(Stop::Told);
                }
            }
            count += 1;
            self.place.finished(count);
            if since.elapsed() >= FLUSH_AFTER {
                self.flush(&buckets, std::mem::take(&mut done)).await?;
                since = Instant::now();
            }
        }
        self.flush(&buckets, done).await
    }

    /// What the items are, from who keeps the job's keys.
    async fn parcels(&self) -> Result<(Arc<Brief>, Vec<String>, Vec<Parcel>), Stop> {
        let stage = (self.body.job, self.body.stage);
        let mut last = ClientError::Unexpected("no keeper");
        for _ in 0..TRIES {
            let known = self.shared.brief(stage);
            let ask = ParcelAsk {
                lease: self.lease.body.clone(),
                permit: self.lease.permit.clone(),
                knows_brief: known.is_some(),
            };
            match self.shared.client.ask_parcels(&self.lease.keepers, &ask).await {
                Ok(parcels) => {
                    if !parcels.items.iter().map(|parcel| parcel.item).eq(self.body.items()) {
                        last = ClientError::Unexpected("a keeper gave other items than the lease names");
                        break;
                    }
                    let brief = parcels.brief.map(|brief| Arc::new(*brief));
                    let Some(brief) = brief.or(known) else { continue };
                    self.shared.keep_brief(stage, &brief);
                    return Ok((brief, parcels.links, parcels.items));
                }
                Err(error) => last = error,
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
        Err(self.trouble(self.body.first, FailKind::Key, &last, 0).await)
    }

    /// Where the blocks of an earlier stage lie, where the guest reads them.
    async fn blocks(&self, brief: &Brief) -> Result<BlocksAll, Stop> {
        let InputForm::Merged { stage, items } = brief.input else { return Ok(BlocksAll::default()) };
        match self.shared.client.job_blocks(self.body.job, stage).await {
            Ok(all) if all.items.len() == items as usize => Ok(all),
            Ok(_) => {
                // One of them is being run again.
                self.shared.tell(WorkReport::Missing(self.body.serial, stage, Vec::new())).await;
                Err(Stop::Told)
            }
            Err(error) => Err(self.trouble(self.body.first, FailKind::Input, &error, 0).await),
        }
    }

    /// The blocks of an item's part, merged.
    async fn merged(
        &self,
        brief: &Brief,
        buckets: &Buckets,
        parcel: &Parcel,
        (stage, at): (u8, &BlocksAll),
    ) -> Result<Fetched, Fault> {
        let key = parcel.block_key.ok_or_else(|| Fault::item(parcel.item, FailKind::Key, 0, 0))?;
        let stored = match parcel.inputs.first() {
            Some(part) => buckets.at(part.link).await.ok().map(|bucket| (bucket, part.name.as_str())),
            None => None,
        };
        let part = Part {
            lease: &self.lease,
            job: &self.body.job,
            stage,
            part: parcel.item,
            parts: brief.count,
            key: &key,
            check_key: &brief.check_key,
            at,
            stored: stored.as_ref().map(|(bucket, name)| (bucket, *name)),
        };
        match self.shared.shuffler.fetch(part).await {
            Ok(blocks) => {
                let merged = blocking(move || codec::records::merge(&blocks)).await;
                let stdin = merged.map_err(|_| Fault::item(parcel.item, FailKind::Host, 0, 0))?;
                Ok(Fetched { stdin, ..Fetched::default() })
            }
            Err(Lack(items)) => Err(Fault::Missing(stage, items)),
        }
    }

    /// Tells that one item cannot be tried here, and gives the lease back.
    async fn trouble(&self, item: u32, kind: FailKind, error: &(dyn std::fmt::Display + Sync), fuel: u64) -> Stop {
        tracing::info!(serial = self.body.serial, item, %kind, %error, "an attempt could not be made");
        let trouble = ItemTrouble { item, kind, detail: digest(&error.to_string()), fuel };
        self.shared.tell(WorkReport::Failed(self.body.serial, trouble)).await;
        self.shared.tell(WorkReport::Over(self.body.serial)).await;
        Stop::Told
    }

    /// What an item reads.
    async fn input(
        &self,
        brief: &Brief,
        buckets: &Buckets,
        parcel: &Parcel,
        blocks: &BlocksAll,
    ) -> Result<Fetched, Fault> {
        if let InputForm::Merged { stage, .. } = brief.input {
            return self.merged(brief, buckets, parcel, (stage, blocks)).await;
        }
        input::fetch(&self.shared.client, buckets, brief, parcel).await.map_err(|error| {
            tracing::info!(serial = self.body.serial, item = parcel.item, %error, "an input was not read");
            Fault::item(parcel.item, kind_of(&error), digest(&error.to_string()), 0)
        })
    }

    async fn item(
        &self,
        brief: &Arc<Brief>,
        module: &Arc<Vec<u8>>,
        parcel: &Parcel,
        fetched: Fetched,
    ) -> Result<Finished, Fault> {
        let of = identity(&self.body.engine, brief, parcel.number, &fetched);
        let outcome = self.guest(brief, &brief.module, module, parcel, fetched).await?;
        let mut fuel = outcome.fuel;
        if outcome.end != End::Exit(0) {
            return Err(failed(parcel.item, &outcome));
        }
        let serial = self.body.serial;
        let log = output::log(serial, parcel, outcome.stderr);
        let host = |_| Fault::item(parcel.item, FailKind::Host, 0, fuel);
        let mut blocks = Vec::new();
        let Product { mut objects, hash, bytes } = match &brief.output {
            OutputForm::Whole => {
                let (parcel, key) = (parcel.clone(), brief.check_key);
                let made =
                    blocking(move || output::whole(serial, &parcel, &key, outcome.stdout, outcome.outputs)).await;
                made.map_err(host)?
            }
            OutputForm::Parts(parting) => {
                let (stdout, how) = (outcome.stdout, parting.clone());
                let parted = blocking(move || output::parts(&stdout, &how)).await.and_then(|parts| parts);
                let mut parts = parted.map_err(|_| Fault::item(parcel.item, FailKind::Output, 0, fuel))?;
                if let Some(combine) = &brief.combine {
                    fuel += self.combine(brief, combine, parcel, &mut parts).await?;
                }
                let secret = brief.shuffle.ok_or_else(|| Fault::item(parcel.item, FailKind::Key, 0, fuel))?;
                let (job, key) = (self.body.job, brief.check_key);
                let bytes = parts.iter().map(|part| part.len() as u64).sum();
                let sealed = blocking(move || seal_blocks(&job, &secret, &key, parts)).await.and_then(|sealed| sealed);
                let (sealed, hash) = sealed.map_err(|_| Fault::item(parcel.item, FailKind::Host, 0, fuel))?;
                blocks = sealed.into_iter().map(Arc::new).collect();
                Product { objects: Vec::new(), hash, bytes }
            }
        };
        objects.extend(log);
        let result = self.shared.falsified(ItemResult { item: parcel.item, hash, fuel, bytes, of });
        Ok(Finished { result, objects, blocks, parcel: parcel.clone() })
    }

    /// Runs the combiner over each part; its steps.
    async fn combine(
        &self,
        brief: &Arc<Brief>,
        combine: &ModuleRef,
        parcel: &Parcel,
        parts: &mut [Vec<u8>],
    ) -> Result<u64, Fault> {
        let module = self.shared.module(brief, combine).await;
        let module = module.map_err(|error| Fault::item(parcel.item, kind_of(&error), 0, 0))?;
        let mut fuel = 0;
        for part in parts.iter_mut().filter(|part| !part.is_empty()) {
            let fetched = Fetched { stdin: std::mem::take(part), ..Fetched::default() };
            let outcome = self.guest(brief, combine, &module, parcel, fetched).await?;
            fuel += outcome.fuel;
            if outcome.end != End::Exit(0) {
                return Err(failed(parcel.item, &outcome));
            }
            *part = outcome.stdout;
        }
        Ok(fuel)
    }

    async fn guest(
        &self,
        brief: &Brief,
        what: &ModuleRef,
        module: &Arc<Vec<u8>>,
        parcel: &Parcel,
        fetched: Fetched,
    ) -> Result<Outcome, Fault> {
        let (item, number) = (parcel.item, parcel.number);
        let mut guest = Guest::new(module.to_vec());
        guest.args.clone_from(&what.args);
        guest.env = what.env.iter().cloned().collect();
        guest.seed = what.seed;
        if brief.tells_index {
            guest.env.insert("PUMASI_INDEX".to_owned(), number.to_string());
            guest.env.insert("PUMASI_COUNT".to_owned(), brief.count.to_string());
            let mut hasher = blake3::Hasher::new_keyed(&what.seed);
            guest.seed = *hasher.update(&number.to_le_bytes()).finalize().as_bytes();
        }
        (guest.stdin, guest.inputs) = (fetched.stdin, fetched.files);
        guest.trust = match self.lease.trust {
            Trust::Own => sandbox::Trust::Own,
            Trust::Circle => sandbox::Trust::Circle,
            Trust::Public => sandbox::Trust::Public,
        };
        let memory = u64::from(self.lease.memory_mib) << 20;
        guest.limits = Limits {
            // What was counted on when the lease was given, whatever the job's keeper says.
            memory_bytes: memory,
            fuel: if self.body.max_fuel == 0 { FUEL_UNKNOWN } else { self.body.max_fuel },
            wall: brief.limits.wall.to_std().min(WALL_MAX),
            output_bytes: brief.limits.output_bytes.min(OUTPUT_MAX),
            scratch_bytes: brief.limits.scratch_bytes.min(OUTPUT_MAX),
            stderr_bytes: brief.limits.stderr_bytes.min(STDERR_MAX),
            deep_stack: self.lease.deep_stack,
            ..Limits::default()
        };
        let (runner, handle) = (self.shared.runner.clone(), self.place.handle.clone());
        let ran = blocking(move || runner.run_held(&guest, &handle)).await;
        match ran {
            Ok(Ok(outcome)) => {
                self.place.did(outcome.fuel);
                Ok(outcome)
            }
            Ok(Err(AttemptError::Stopped)) => Err(Fault::Stopped),
            Ok(Err(error @ (AttemptError::Module(_) | AttemptError::Attempt(_)))) => {
                let text = error.to_string();
                Err(Fault::Item(trouble(item, FailKind::Module, digest(&text), 0), Some(text.into_bytes())))
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the sandbox failed");
                Err(Fault::item(item, FailKind::Host, digest(&error.to_string()), 0))
            }
            Err(_) => Err(Fault::item(item, FailKind::Host, 0, 0)),
        }
    }

    /// Stores and reports what is finished; of a lease that is not direct only what is wanted.
    async fn flush(&self, buckets: &Buckets, done: Vec<Finished>) -> Result<(), Stop> {
        if done.is_empty() {
            return Ok(());
        }
        let serial = self.body.serial;
        let wanted = if self.body.direct {
            done
        } else {
            let results = done.iter().map(|one| one.result).collect();
            let fates = self.shared.tell_of(&self.lease, WorkReport::Computed(serial, results)).await;
            let Some(fates) = fates else { return Err(Stop::Told) };
            if fates.contains(&ItemFate::Refused) {
                // What does not count here is somebody else's at once, not when the lease has run out.
                return Err(Stop::Quiet);
            }
            done.into_iter().zip(fates).filter(|(_, fate)| *fate == ItemFate::Store).map(|(one, _)| one).collect()
        };
        if wanted.is_empty() {
            return Ok(());
        }
        let results: Vec<ItemResult> = wanted.iter().map(|one| one.result).collect();
        let mut objects = Vec::new();
        for one in wanted {
            objects.extend(one.objects);
            let is_kept = one.blocks.is_empty()
                || (!self.lease.spill
                    && self.shared.shuffler.keep(&self.lease, &self.body, one.parcel.item, &one.blocks).await);
            if !is_kept {
                objects.extend(output::blocks(serial, &one.parcel, self.body.stage, &one.blocks));
            }
        }
        if let Err(error) = output::store(&self.shared.client, buckets, objects).await {
            return Err(self.trouble(results[0].item, FailKind::Store, &error, results[0].fuel).await);
        }
        match self.shared.tell_of(&self.lease, WorkReport::Done(serial, results)).await {
            Some(fates) if fates.contains(&ItemFate::Refused) => Err(Stop::Quiet),
            Some(_) => Ok(()),
            None => Err(Stop::Told),
        }
    }
}

/// Why an item has no result.
enum Fault {
    /// The node was told to stop it.
    Stopped,
    /// It failed, with the end of what it said.
    Item(ItemTrouble, Option<Vec<u8>>),
    /// Blocks of these items of an earlier stage are nowhere.
    Missing(u8, Vec<u32>),
}

impl Fault {
    fn item(item: u32, kind: FailKind, detail: u64, fuel: u64) -> Self {
        Self::Item(trouble(item, kind, detail, fuel), None)
    }
}

const fn trouble(item: u32, kind: FailKind, detail: u64, fuel: u64) -> ItemTrouble {
    ItemTrouble { item, kind, detail, fuel }
}

/// What is run, as one hash under the job's check key: engine, all of the brief that a result depends on, and the inputs. Whoever
/// was given anything else has another one.
fn identity(engine: &[u8; 16], brief: &Brief, number: u32, fetched: &Fetched) -> [u8; 32] {
    let Brief { modules: _, module, combine, check_key, limits, input, output, count, tells_index, shuffle: _ } = brief;
    let told = tells_index.then_some((number, count));
    // Its encoding says where each part ends.
    let files: Vec<(&String, [u8; 32])> =
        fetched.files.iter().map(|(name, content)| (name, *blake3::hash(content).as_bytes())).collect();
    let inputs = (*blake3::hash(&fetched.stdin).as_bytes(), files);
    let all = wire::encode(&(engine, (module, combine), limits, (input, output), told, inputs));
    *blake3::keyed_hash(check_key, &all).as_bytes()
}

/// How a guest that did not end well is told.
fn failed(item: u32, outcome: &Outcome) -> Fault {
    let (kind, detail) = match &outcome.end {
        End::Exit(code) => (FailKind::Guest, u64::from(code.unsigned_abs())),
        End::Trap(what) => (FailKind::Trap, digest(what)),
        End::StackOverflow => (FailKind::Stack, 0),
        End::OutOfFuel => (FailKind::Fuel, 0),
        End::OutOfMemory => (FailKind::Memory, 0),
        End::OutputTooLarge | End::FilesTooLarge | End::TooManyFiles => (FailKind::Output, 0),
        End::OutOfTime => (FailKind::Wall, 0),
    };
    let mut log = outcome.stderr.clone();
    log.extend(format!("pumasi: {}\n", outcome.end).into_bytes());
    Fault::Item(trouble(item, kind, detail, outcome.fuel), Some(log))
}

/// Whose fault an error of the client is.
fn kind_of(error: &ClientError) -> FailKind {
    match error {
        ClientError::Refused(no) if no.id == errors::BAD_PERMIT || no.id == errors::JOB_UNKNOWN => FailKind::Key,
        _ => FailKind::Input,
    }
}

/// Tells alike from unlike.
fn digest(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    let (head, _) = hash.as_bytes().split_first_chunk::<8>().expect("a hash has 32 bytes");
    u64::from_le_bytes(*head)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ClientError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ClientError::Unexpected("the work ended"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Span;
    use model::compute::Partitioning;
    use wire::compute::GuestLimits;

    fn brief() -> Brief {
        let module = ModuleRef {
            name: "map".to_owned(),
            hash: [1; 32],
            args: vec!["x".to_owned()],
            env: vec![("y".to_owned(), "z".to_owned())],
            seed: [2; 32],
        };
        let limits =
            GuestLimits { memory_bytes: 1, output_bytes: 2, scratch_bytes: 3, wall: Span::secs(4), stderr_bytes: 5 };
        Brief {
            modules: String::new(),
            module,
            combine: None,
            check_key: [3; 32],
            limits,
            input: InputForm::Stdin,
            output: OutputForm::Parts(Partitioning::Hash(2)),
            count: 9,
            tells_index: true,
            shuffle: None,
        }
    }

    #[test]
    fn everything_a_result_depends_on_is_in_what_was_run() {
        let fetched = Fetched { stdin: b"in".to_vec(), ..Fetched::default() };
        let of = |brief: &Brief| identity(&[7; 16], brief, 4, &fetched);
        let base = of(&brief());
        let changed = |change: &dyn Fn(&mut Brief)| {
            let mut other = brief();
            change(&mut other);
            of(&other)
        };
        let others = [
            changed(&|b| b.module.hash[0] = 9),
            changed(&|b| b.module.seed[0] = 9),
            // The same words, otherwise parted.
            changed(&|b| {
                b.module.args.extend(["y".to_owned(), "z".to_owned()]);
                b.module.env.clear();
            }),
            changed(&|b| b.combine = Some(b.module.clone())),
            changed(&|b| b.check_key[0] = 9),
            changed(&|b| b.limits.output_bytes = 9),
            changed(&|b| b.limits.scratch_bytes = 9),
            changed(&|b| b.input = InputForm::Lines),
            changed(&|b| b.output = OutputForm::Parts(Partitioning::Hash(3))),
            changed(&|b| b.count = 8),
            identity(&[8; 16], &brief(), 4, &fetched),
            identity(&[7; 16], &brief(), 5, &fetched),
            identity(&[7; 16], &brief(), 4, &Fetched { stdin: b"other".to_vec(), ..Fetched::default() }),
            identity(
                &[7; 16],
                &brief(),
                4,
                &Fetched { stdin: b"in".to_vec(), files: [("a".to_owned(), Vec::new())].into() },
            ),
        ];
        assert!(others.iter().all(|other| *other != base));
        assert_eq!(changed(&|b| b.modules = "a link for one machine alone".to_owned()), base);
    }
}
