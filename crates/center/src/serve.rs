//! Calls from machines: a link is accepted, each stream is one call, the envelope says what is asked. Nothing is decided here.

use crate::refuse::Refused;
use crate::{Caller, Center, access, compute, fleet, ledger, rebuild, storage};
use model::errors;
use net::{Link, Stream};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use wire::limits::{REQUEST_MAX, SETTLE_MAX};
use wire::{Envelope, RefusalMsg, Reply, Request, WireError};

/// Longest time a caller may take over its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Takes links until the endpoint is closed.
pub async fn accept_loop(center: Center) {
    while let Some(link) = center.endpoint().accept().await {
        tokio::spawn(serve_link(center.clone(), link));
    }
}

async fn serve_link(center: Center, link: Link) {
    center.metrics().links.fetch_add(1, Relaxed);
    let caller = Caller { id: link.peer(), addr: link.remote_addr(), alias: None };
    let counted = fleet::api::link_up(&center, &caller);
    while let Some(stream) = link.accept_stream().await {
        tokio::spawn(serve_call(center.clone(), caller, stream));
    }
    if let Some(alias) = counted {
        fleet::api::link_down(&center, alias);
        compute::board::end_asks(&center, alias);
    }
    center.metrics().links.fetch_sub(1, Relaxed);
}

async fn serve_call(center: Center, caller: Caller, mut stream: Stream) {
    // Only nodes have long requests: their batches of receipts.
    let is_node = center.fleet().alias_of(&caller.id).is_some();
    let max = if is_node { SETTLE_MAX } else { REQUEST_MAX };
    let read = tokio::time::timeout(REQUEST_TIMEOUT, stream.read_frame(max)).await;
    let reply = match read {
        Ok(Ok(bytes)) => answer(&center, caller, &bytes).await,
        Ok(Err(net::NetError::TooLong { len, max })) => Reply::Refused(too_large(len, max)),
        Ok(Err(_)) | Err(_) => return,
    };
    center.metrics().calls.fetch_add(1, Relaxed);
    if matches!(reply, Reply::Refused(_)) {
        center.metrics().refused.fetch_add(1, Relaxed);
    }
    if stream.write_frame(&reply.to_bytes()).await.is_ok() {
        let _ = stream.finish();
    }
}

fn too_large(len: usize, max: usize) -> RefusalMsg {
    RefusalMsg::new(
        errors::TOO_LARGE,
        [("what", "message".to_owned()), ("size", len.to_string()), ("limit", max.to_string())],
    )
}

/// The reply to one request's bytes.
pub async fn answer(center: &Center, mut caller: Caller, bytes: &[u8]) -> Reply {
    let envelope = match Envelope::from_bytes(bytes) {
        Ok(envelope) => envelope,
        Err(error) => {
            center.metrics().malformed.fetch_add(1, Relaxed);
            return Reply::Refused(malformed(&error));
        }
    };
    if envelope.alias.is_some() && !center.settings().dev {
        return Reply::Refused(crate::refuse::not_allowed(caller.id.short(), "speak for", "another node"));
    }
    caller.alias = envelope.alias;
    dispatch(center, &caller, envelope.request).await.unwrap_or_else(|refused| Reply::Refused(refused.0))
}

fn malformed(error: &WireError) -> RefusalMsg {
    match error {
        WireError::Version { have, need } => {
            RefusalMsg::new(errors::VERSION_SKEW, [("have", have.to_string()), ("need", need.to_string())])
        }
        WireError::TooLong { len, max } => too_large(*len, *max),
        WireError::Malformed => crate::refuse::bad_value("message", "", "its bytes are no message of this protocol"),
    }
}

async fn dispatch(center: &Center, caller: &Caller, request: Request) -> Result<Reply, Refused> {
    match request {
        Request::CheckIn(ask) => fleet::api::check_in(center, caller, *ask).await,
        Request::Cloud => Ok(access::api::cloud(center, caller)),
        Request::Join(ask) => access::join::join(center, caller, *ask).await,
        Request::Goodbye(why) => fleet::api::goodbye(center, caller, why),
        Request::Measured(measured) => fleet::api::measured(center, caller, *measured).await,
        Request::ProbePeers(secret) => fleet::api::probe_peers(center, caller, secret).await,
        Request::TicketCreate(ask) => access::api::ticket_create(center, caller, ask).await,
        Request::TicketList => access::api::ticket_list(center, caller).await,
        Request::TicketRevoke(id) => access::api::ticket_revoke(center, caller, id).await,
        Request::MemberList => access::api::member_list(center, caller).await,
        Request::NodeList(filter) => fleet::list::node_list(center, caller, filter).await,
        Request::NodeShow(text) => fleet::list::node_show(center, caller, text).await,
        Request::NodeSet(set) => fleet::list::node_set(center, caller, set).await,
        Request::WriteOpen(ask) => storage::api::write_open(center, caller, ask).await,
        Request::Commit(commit) => storage::commit::one(center, caller, *commit).await,
        Request::ReadOpen(ask) => storage::api::read_open(center, caller, ask).await,
        Request::ObjectList(ask) => storage::api::object_list(center, caller, ask).await,
        Request::BucketMake(make) => storage::api::bucket_make(center, caller, *make).await,
        Request::BucketList => storage::api::bucket_list(center, caller).await,
        Request::BucketShow(id) => storage::api::bucket_show(center, caller, id).await,
        Request::BucketReport(id) => storage::api::bucket_report(center, caller, id).await,
        Request::BucketRemove(id) => storage::api::bucket_remove(center, caller, id).await,
        Request::SegmentsKeep(keep) => storage::commit::segments_keep(center, caller, *keep).await,
        Request::CommitBatch(batch) => storage::commit::batch(center, caller, *batch).await,
        Request::StewardAsk(ask) => storage::expand::ask(center, caller, ask).await,
        Request::StewardDone(done) => storage::expand::done(center, caller, *done).await,
        Request::Staged(runs) => storage::expand::staged(center, caller, runs).await,
        Request::GroupLog(ask) => storage::log::group_log(center, caller, ask).await,
        Request::PiecesLost(lost) => storage::log::pieces_lost(center, caller, lost).await,
        Request::AccountMake(make) => access::account::make(center, caller, *make).await,
        Request::AccountShow => access::account::show(center, caller).await,
        Request::DeviceLogPush(entry) => access::account::push(center, entry).await,
        Request::SlotPut(put) => access::account::slot_put(center, caller, *put).await,
        Request::SlotGet(locator) => access::account::slot_get(center, locator).await,
        Request::PairOpen(hash, life) => access::account::pair_open(center, caller, hash, life).await,
        Request::PairSay(say) => access::account::pair_say(center, *say),
        Request::PairHear(secret, step) => access::account::pair_hear(center, &secret, step),
        Request::GrantNote(note) => access::grants::note(center, caller, *note).await,
        Request::GrantList => access::grants::list(center, caller).await,
        Request::GrantRevoke(id) => access::grants::revoke(center, caller, id).await,
        Request::Granted(granted) => storage::api::granted(center, caller, *granted).await,
        Request::BucketQuota(id, quota) => storage::api::bucket_quota(center, caller, id, quota).await,
        Request::UploadBegin(begin) => storage::upload::begin(center, caller, *begin).await,
        Request::UploadPart(part) => storage::upload::part(center, caller, *part).await,
        Request::UploadList(ask) => storage::upload::list(center, caller, ask).await,
        Request::UploadComplete(all) => storage::upload::complete(center, caller, *all).await,
        Request::UploadAbort(bucket, id) => storage::upload::abort(center, caller, bucket, id).await,
        Request::HandOverAsk(session) => storage::hand_over::ask(center, caller, session).await,
        Request::HandOverDone(done) => storage::hand_over::done(center, caller, *done).await,
        Request::AuditAsk(session) => storage::audit::ask(center, caller, session).await,
        Request::PiecesDoubted(pieces) => storage::audit::doubted(center, caller, pieces).await,
        Request::AuditDone(done) => storage::audit::done(center, caller, *done).await,
        Request::FillAsk(session) => storage::fill::ask(center, caller, session).await,
        Request::FillDone(done) => storage::fill::done(center, caller, *done).await,
        Request::JobSubmit(submit) => compute::api::submit(center, caller, *submit).await,
        Request::JobList => compute::api::list(center, caller).await,
        Request::JobShow(id) => compute::api::show(center, caller, id).await,
        Request::JobStop(id) => compute::api::stop(center, caller, id).await,
        Request::JobRetry(id) => compute::api::retry(center, caller, id).await,
        Request::JobRaise(id, most) => compute::budget::raise(center, caller, id, most).await,
        Request::Prices => ledger::api::prices(center, caller).await,
        Request::JobItems(ask) => compute::api::items(center, caller, ask).await,
        Request::WorkAsk(ask) => compute::work::ask(center, caller, *ask).await,
        Request::WorkReports(said) => compute::work::reports(center, caller, *said).await,
        Request::LeaseShow(show) => compute::work::show(center, caller, *show).await,
        Request::JobBlocks(ask) => compute::blocks::blocks(center, caller, ask).await,
        Request::JobsLive(jobs) => compute::blocks::live(center, &jobs),
        Request::Settle(batch) => crate::ledger::settle::api::settle(center, caller, *batch).await,
        Request::Vouch => rebuild::vouch(center, caller).await,
        Request::Enrol(voucher) => rebuild::enrol(center, caller, voucher).await,
        Request::SlotDigests(page) => rebuild::slot_digests(center, caller, *page).await,
        Request::Holders(locator) => rebuild::holders(center, locator).await,
        Request::AccountBring(bring) => rebuild::account_bring(center, *bring).await,
        Request::SlotMine => rebuild::slot_mine(center, caller).await,
        Request::SegmentIds(ask) => rebuild::segment_ids(center, caller, ask).await,
        Request::SegmentsFind(ids) => rebuild::segments_find(center, caller, ids).await,
        Request::Replay(ask) => rebuild::replay(center, caller, *ask).await,
        Request::Absence(absence) => fleet::api::absence(center, caller, absence).await,
        Request::Spend(word) => ledger::api::spend(center, caller, word).await,
        Request::Wallet(no) => ledger::api::wallet(center, caller, no).await,
        Request::Limit(no) => ledger::api::limit(center, caller, no).await,
        Request::AccountThaw(no) => ledger::api::thaw(center, caller, no).await,
        Request::Payee(text) => ledger::api::payee(center, caller, text).await,
        Request::Statement(ask) => ledger::api::statement(center, caller, ask).await,
        Request::LedgerRows(after) => ledger::api::rows(center, caller, after).await,
        Request::LedgerState => ledger::api::state(center, caller).await,
        Request::LedgerLine(account, seq) => ledger::evidence::line(center, caller, account, seq).await,
        Request::LedgerParts(ask) => ledger::evidence::parts(center, caller, ask).await,
        Request::RootSigned(word) => ledger::cosign::signed(center, caller, word).await,
        Request::StatementSeal(ask) => ledger::evidence::seal(center, caller, ask).await,
        Request::LedgerDays(after) => ledger::api::days(center, caller, after).await,
        Request::RelayAsk(ask) => ledger::relay::ask(center, caller, ask).await,
        Request::RelaySigned(signed) => ledger::relay::take(center, signed).await,
    }
}

/// A caller that is no node of this cloud.
pub(crate) fn no_node(caller: &Caller) -> Refused {
    Refused(RefusalMsg::new(errors::NODE_UNKNOWN, [("id", caller.id.short())]))
}
