//! Nodes, what happened to them, and minutes-on per hour: rows and the statements that move them.
//!
//! Nothing here is written per check-in: presence lives in memory, and [`put_presence_hours`] keeps one row an hour for a
//! thousand aliases (`docs/design/fleet.md` §3).

mod past;
mod row;
pub mod vetting;

pub use past::{
    NodeEvent, PresenceHour, add_event, events, forget_presence_before, presence_hours, put_presence_hours,
};
pub use row::{MeasuredRow, NewNode, NodeRow, Rtt, Standing};

use crate::access::store::{NAME_MAX, PAGE_MAX, WHY_MAX, fits};
use crate::db::{DbError, Reader, StoreError, Tx, Value};
use model::{Alias, Bytes, HourOfWeek, MemberId, NodeId, Ppm, Region, RegionEvidence, Stamp, Tier, errors};
use row::{INSERTED, READ_AFTER, measured_params, node_row, rtt_bytes};
use rules::fleet::integrity::Score;

/// Events kept of one node; older ones go.
pub const EVENTS_MAX: u32 = 64;
/// Longest text of an event in bytes.
pub const EVENT_TEXT_MAX: usize = 256;
/// Longest network prefix as text in bytes.
pub const NET_PREFIX_MAX: usize = 43;
/// Longest binding in bytes (`wire::signed::binding`).
pub const BINDING_MAX: usize = 256;
/// Round trips kept of one node.
pub const RTT_MAX: usize = 16;
/// Aliases in one row of presence.
pub const PRESENCE_BLOCK: u32 = 1_000;
/// Rows of presence in one statement.
const PRESENCE_ROWS: usize = 16;
/// Aliases there are in a cell: fits every id that is counted in 32 bits.
pub const ALIAS_MAX: u32 = u32::MAX - 1;

/// Adds a node and gives it the next alias. A key that exists is [`DbError::Duplicate`]; a cell without numbers left
/// refuses with E0209.
pub fn insert_node(tx: &mut Tx<'_>, n: &NewNode) -> Result<Alias, StoreError> {
    fits("node name", &n.name, NAME_MAX)?;
    fits("network prefix", n.net_prefix.as_deref().unwrap_or_default(), NET_PREFIX_MAX)?;
    if n.binding.len() > BINDING_MAX {
        return Err(StoreError::refused(errors::TOO_LARGE, format!("binding has {} bytes", n.binding.len())));
    }
    let alias = next_alias(tx)?;
    let rtt = rtt_bytes(&n.measured.rtt);
    let profile = [0; HourOfWeek::COUNT];
    let head: [Value<'_>; 19] = [
        alias.into(),
        (&n.id).into(),
        (&n.owner).into(),
        (&n.name).into(),
        n.region.as_ref().into(),
        n.evidence.into(),
        n.declared.as_ref().into(),
        n.os.into(),
        n.arch.into(),
        n.as_number.into(),
        n.net_prefix.as_ref().into(),
        n.version.into(),
        n.lent.into(),
        n.accepts.into(),
        n.capabilities.into(),
        n.alpha.into(),
        n.beta.into(),
        n.joined_at.into(),
        (&n.binding).into(),
    ];
    let tail: [Value<'_>; 6] = [
        Tier::T0.into(),
        Standing::Active.into(),
        (&profile).into(),
        Value::Int(0),
        Value::Int(0),
        n.joined_at.hour().into(),
    ];
    let params: Vec<Value<'_>> = head.into_iter().chain(measured_params(&n.measured, &rtt)).chain(tail).collect();
    let places: Vec<String> = (1..=params.len()).map(|i| format!("${i}")).collect();
    tx.execute(&format!("INSERT INTO node ({INSERTED}) VALUES ({})", places.join(", ")), &params)?;
    Ok(alias)
}

fn next_alias(tx: &mut Tx<'_>) -> Result<Alias, StoreError> {
    let sql = "UPDATE counter SET value = value + 1 WHERE name = 'alias' AND value < $1 RETURNING value";
    let next = tx.change_returning(sql, &[ALIAS_MAX.into()], |row| row.get(0))?;
    next.ok_or_else(|| StoreError::refused(errors::CELL_FULL, "every alias of this cell is given out"))
}

fn select(rest: &str) -> String {
    format!("SELECT {INSERTED}, {READ_AFTER} FROM node {rest}")
}

/// A node by key.
pub fn node_by_id(q: &mut Reader<'_>, id: &NodeId) -> Result<Option<NodeRow>, DbError> {
    q.query_opt(&select("WHERE node_id = $1"), &[id.into()], node_row)
}

/// A node by number.
pub fn node_by_alias(q: &mut Reader<'_>, alias: Alias) -> Result<Option<NodeRow>, DbError> {
    q.query_opt(&select("WHERE alias = $1"), &[alias.into()], node_row)
}

/// The one node a person means by `text`: `#12`, its whole key or at least four characters of it, or its name; a name
/// that is also a beginning of a key counts as the name. Refuses: none (E0203), several (E0002).
pub fn node_by_text(q: &mut Reader<'_>, text: &str) -> Result<NodeRow, StoreError> {
    let found = match text.strip_prefix('#').map(str::parse) {
        Some(Ok(alias)) => node_by_alias(q, Alias(alias))?.into_iter().collect(),
        _ => {
            let named = q.query(&select("WHERE name = $1 ORDER BY alias LIMIT 2"), &[text.into()], node_row)?;
            if named.is_empty() { nodes_by_prefix(q, text)? } else { named }
        }
    };
    let mut found: std::vec::IntoIter<NodeRow> = Vec::into_iter(found);
    match (found.next(), found.next()) {
        (Some(node), None) => Ok(node),
        (None, _) => Err(StoreError::refused(errors::NODE_UNKNOWN, "no such node")),
        (Some(_), Some(_)) => Err(StoreError::refused(errors::BAD_VALUE, "several nodes are called that")),
    }
}

/// At most two nodes whose printed key begins with `prefix`.
fn nodes_by_prefix(q: &mut Reader<'_>, prefix: &str) -> Result<Vec<NodeRow>, DbError> {
    let Some((low, high)) = key_range(prefix) else { return Ok(Vec::new()) };
    let sql = select("WHERE node_id >= $1 AND node_id <= $2 ORDER BY node_id LIMIT 2");
    q.query(&sql, &[(&low).into(), (&high).into()], node_row)
}

/// First and last key whose printed form begins with `prefix`; nothing for a prefix that is no beginning of one.
fn key_range(prefix: &str) -> Option<([u8; 32], [u8; 32])> {
    const PRINTED: usize = 52; // 256 bits in base32; the last character carries one bit
    let body = prefix.strip_prefix(NodeId::LETTER).filter(|_| prefix.len() >= 4)?;
    if body.len() > PRINTED || !body.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b)) {
        return None;
    }
    let filled = |with: char| -> Option<[u8; 32]> {
        let mut text: String = body.to_owned();
        while text.len() < PRINTED - 1 {
            text.push(with);
        }
        if text.len() < PRINTED {
            text.push(if with == 'a' { 'a' } else { 'q' });
        }
        format!("{}{text}", NodeId::LETTER).parse::<NodeId>().ok().map(|id| id.0)
    };
    Some((filled('a')?, filled('7')?))
}

/// Which nodes to list; nothing given means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeFilter {
    /// Only of this owner.
    pub owner: Option<MemberId>,
    /// Only those that lie in this region.
    pub region: Option<Region>,
    /// Only those the cloud stands so to.
    pub standing: Option<Standing>,
}

/// Nodes in the order of aliases, after `after`, at most `limit` and [`PAGE_MAX`].
pub fn list_nodes(
    q: &mut Reader<'_>,
    filter: &NodeFilter,
    after: Option<Alias>,
    limit: u32,
) -> Result<Vec<NodeRow>, DbError> {
    let beginning = filter.region.as_ref().map(|region| format!("{region}/"));
    let (rest, mut params) = filtered(filter, beginning.as_deref());
    let (after_at, limit_at) = (params.len() + 1, params.len() + 2);
    params.push(after.map_or(-1, |alias| i64::from(alias.0)).into());
    params.push(limit.min(PAGE_MAX).into());
    let sql = select(&format!("WHERE {rest} AND alias > ${after_at} ORDER BY alias LIMIT ${limit_at}"));
    q.query(&sql, &params, node_row)
}

/// How many nodes the filter lets through.
pub fn count_nodes(q: &mut Reader<'_>, filter: &NodeFilter) -> Result<u64, DbError> {
    let beginning = filter.region.as_ref().map(|region| format!("{region}/"));
    let (rest, params) = filtered(filter, beginning.as_deref());
    let count = q.query_opt(&format!("SELECT count(*) FROM node WHERE {rest}"), &params, |row| row.get(0))?;
    Ok(count.unwrap_or(0))
}

/// Space lent by all nodes that are neither gone nor banned, as their rows say.
pub fn lent_in_all(q: &mut Reader<'_>) -> Result<Bytes, DbError> {
    // Summed in MiB: a lie of one node must not overflow the sum of all.
    let sql = "SELECT CAST(coalesce(sum(lent_bytes / 1048576), 0) AS BIGINT) FROM node WHERE standing NOT IN ($1, $2)";
    let mib: Option<i64> = q.query_opt(sql, &[Standing::Left.into(), Standing::Banned.into()], |row| row.get(0))?;
    Ok(Bytes(u64::try_from(mib.unwrap_or(0)).unwrap_or(0).saturating_mul(1 << 20)))
}

fn filtered<'a>(filter: &'a NodeFilter, beginning: Option<&'a str>) -> (String, Vec<Value<'a>>) {
    let mut rest = vec!["alias >= 0".to_owned()];
    let mut params: Vec<Value<'a>> = Vec::new();
    if let Some(owner) = &filter.owner {
        params.push(owner.into());
        rest.push(format!("owner = ${}", params.len()));
    }
    if let (Some(region), Some(beginning)) = (&filter.region, beginning) {
        params.push(region.into());
        params.push(beginning.into());
        let (whole, part, len) = (params.len() - 1, params.len(), beginning.len());
        rest.push(format!("(region = ${whole} OR substr(region, 1, {len}) = ${part})"));
    }
    if let Some(standing) = filter.standing {
        params.push(standing.into());
        rest.push(format!("standing = ${}", params.len()));
    }
    (rest.join(" AND "), params)
}

/// Every node's number, key, owner and what presence must know, in the order of aliases, after `after`, at most
/// `limit` and [`crate::db::ROWS_MAX`]: for filling the memory of a center that starts.
pub fn list_brief(q: &mut Reader<'_>, after: Option<Alias>, limit: u32) -> Result<Vec<NodeBrief>, DbError> {
    let sql = "SELECT alias, node_id, owner, standing, holiday_until, last_seen_hour, missing_after_h, alpha, beta, tier \
               FROM node WHERE alias > $1 ORDER BY alias LIMIT $2";
    let params = [after.map_or(-1, |alias| i64::from(alias.0)).into(), limit.into()];
    q.query(sql, &params, |row| {
        Ok(NodeBrief {
            alias: row.get(0)?,
            id: row.get(1)?,
            owner: row.get(2)?,
            standing: row.get(3)?,
            holiday_until: row.get(4)?,
            last_seen_hour: row.get(5)?,
            missing_after_h: row.get(6)?,
            integrity: Score { alpha_ppm: row.get(7)?, beta_ppm: row.get(8)? }.value(),
            tier: row.get(9)?,
        })
    })
}

/// What presence must know of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeBrief {
    /// Number.
    pub alias: Alias,
    /// Key.
    pub id: NodeId,
    /// Whose.
    pub owner: MemberId,
    /// How the cloud stands to it.
    pub standing: Standing,
    /// End of its declared absence.
    pub holiday_until: Option<Stamp>,
    /// Hour since 1970 in which it was last seen.
    pub last_seen_hour: u64,
    /// Away longer than so many hours, it counts as missing.
    pub missing_after_h: u16,
    /// Score of its honesty.
    pub integrity: Ppm,
    /// Rank.
    pub tier: Tier,
}

/// Replaces what is known of the machine, and the duties that follow from it; false when there is no such node.
pub fn update_measured(
    tx: &mut Tx<'_>,
    alias: Alias,
    measured: &MeasuredRow,
    capabilities: u32,
) -> Result<bool, DbError> {
    let sql = "UPDATE node SET cores = $1, memory_mib = $2, disk_free_bytes = $3, cpu_score = $4, fsync_p50_ms = $5, \
        fsync_p99_ms = $6, disk_mb_s = $7, up_kbps = $8, down_kbps = $9, nat = $10, loss_ppm = $11, rtt = $12, \
        measured_at = $13, capabilities = $14 WHERE alias = $15";
    let rtt = rtt_bytes(&measured.rtt);
    let mut params = measured_params(measured, &rtt).to_vec();
    params.extend([Value::from(capabilities), alias.into()]);
    Ok(tx.execute(sql, &params)? == 1)
}

/// What a node says of itself when it joins again or starts a newer program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSaid {
    /// As its owner calls it.
    pub name: String,
    /// Declared region, and what rules take from it.
    pub declared: Option<Region>,
    /// Where rules take it to be.
    pub region: Option<Region>,
    /// How that is known.
    pub evidence: RegionEvidence,
    /// Autonomous system, as the center sees it.
    pub as_number: Option<u32>,
    /// Network, as the center sees it.
    pub net_prefix: Option<String>,
    /// Program version.
    pub version: u32,
    /// Lent.
    pub lent: Bytes,
    /// What the owner accepts.
    pub accepts: u32,
}

/// Replaces what a node says of itself; false when there is no such node.
pub fn update_said(tx: &mut Tx<'_>, alias: Alias, said: &NodeSaid) -> Result<bool, StoreError> {
    fits("node name", &said.name, NAME_MAX)?;
    fits("network prefix", said.net_prefix.as_deref().unwrap_or_default(), NET_PREFIX_MAX)?;
    let sql = "UPDATE node SET name = $1, region_declared = $2, region = $3, region_evidence = $4, as_number = $5, \
        net_prefix = $6, version = $7, lent_bytes = $8, accepts = $9 WHERE alias = $10";
    let params = [
        (&said.name).into(),
        said.declared.as_ref().into(),
        said.region.as_ref().into(),
        said.evidence.into(),
        said.as_number.into(),
        said.net_prefix.as_ref().into(),
        said.version.into(),
        said.lent.into(),
        said.accepts.into(),
        alias.into(),
    ];
    Ok(tx.execute(sql, &params)? == 1)
}

/// Another name; false when there is no such node.
pub fn rename_node(tx: &mut Tx<'_>, alias: Alias, name: &str) -> Result<bool, StoreError> {
    fits("node name", name, NAME_MAX)?;
    Ok(tx.execute("UPDATE node SET name = $2 WHERE alias = $1", &[alias.into(), name.into()])? == 1)
}

/// Where rules take it to be from now on; false when there is no such node.
pub fn set_region(
    tx: &mut Tx<'_>,
    alias: Alias,
    region: Option<&Region>,
    evidence: RegionEvidence,
) -> Result<bool, DbError> {
    let sql = "UPDATE node SET region = $2, region_evidence = $3 WHERE alias = $1";
    Ok(tx.execute(sql, &[alias.into(), region.into(), evidence.into()])? == 1)
}

/// How the cloud stands to a node from now on; false when there is no such node. The holiday's end is cleared unless
/// given.
pub fn set_standing(
    tx: &mut Tx<'_>,
    alias: Alias,
    standing: Standing,
    why: Option<&str>,
    holiday_until: Option<Stamp>,
) -> Result<bool, StoreError> {
    fits("reason", why.unwrap_or_default(), WHY_MAX)?;
    let sql = "UPDATE node SET standing = $2, standing_why = $3, holiday_until = $4 WHERE alias = $1";
    let params = [alias.into(), standing.into(), why.into(), holiday_until.into()];
    Ok(tx.execute(sql, &params)? == 1)
}

/// Ends declared absences that are over; whose.
pub fn end_holidays(tx: &mut Tx<'_>, now: Stamp) -> Result<Vec<Alias>, DbError> {
    let over = "SELECT alias FROM node WHERE standing = $1 AND holiday_until <= $2 ORDER BY alias";
    let over = tx.query(over, &[Standing::Holiday.into(), now.into()], |row| row.get(0))?;
    let sql = "UPDATE node SET standing = $1, holiday_until = NULL WHERE standing = $2 AND holiday_until <= $3";
    tx.execute(sql, &[Standing::Active.into(), Standing::Holiday.into(), now.into()])?;
    Ok(over)
}

/// Rank and profile, as `rules` computed them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scores {
    /// Rank.
    pub tier: Tier,
    /// When it had proved itself.
    pub vetted_at: Option<Stamp>,
    /// Scale of its sessions.
    pub session_scale: u16,
    /// Share of each hour of the week, × 255.
    pub profile: [u8; HourOfWeek::COUNT],
    /// Away longer than so many hours, it counts as missing.
    pub missing_after_h: u16,
    /// Share of its known hours in which it had been away for a day.
    pub day_away: Ppm,
}

/// Replaces scores, rank and profile; false when there is no such node.
pub fn set_scores(tx: &mut Tx<'_>, alias: Alias, scores: &Scores) -> Result<bool, DbError> {
    let sql = "UPDATE node SET tier = $2, vetted_at = $3, session_scale = $4, profile = $5, missing_after_h = $6, \
        day_away_ppm = $7 WHERE alias = $1";
    let params = [
        alias.into(),
        scores.tier.into(),
        scores.vetted_at.into(),
        scores.session_scale.into(),
        (&scores.profile).into(),
        scores.missing_after_h.into(),
        scores.day_away.into(),
    ];
    Ok(tx.execute(sql, &params)? == 1)
}

/// Nodes of one block of aliases, in order.
pub fn nodes_of_block(q: &mut Reader<'_>, block: u32) -> Result<Vec<NodeRow>, DbError> {
    let first = i64::from(block) * i64::from(PRESENCE_BLOCK);
    let params = [first.into(), (first + i64::from(PRESENCE_BLOCK)).into()];
    q.query(&select("WHERE alias >= $1 AND alias < $2 ORDER BY alias"), &params, node_row)
}

/// Generation of a node's plan; only forward, false when it was not newer or there is no such node.
pub fn set_generation(tx: &mut Tx<'_>, alias: Alias, generation: u64) -> Result<bool, DbError> {
    let sql = "UPDATE node SET generation = $2 WHERE alias = $1 AND generation < $2";
    Ok(tx.execute(sql, &[alias.into(), generation.into()])? == 1)
}

/// A newer statement of ownership; false when there is no such node.
pub fn set_binding(tx: &mut Tx<'_>, alias: Alias, owner: &MemberId, binding: &[u8]) -> Result<bool, StoreError> {
    if binding.len() > BINDING_MAX {
        return Err(StoreError::refused(errors::TOO_LARGE, format!("binding has {} bytes", binding.len())));
    }
    let sql = "UPDATE node SET owner = $2, binding = $3 WHERE alias = $1";
    Ok(tx.execute(sql, &[alias.into(), owner.into(), binding.into()])? == 1)
}

/// Space a node lends from now on; false when there is no such node.
pub fn set_lent(tx: &mut Tx<'_>, alias: Alias, lent: Bytes) -> Result<bool, DbError> {
    Ok(tx.execute("UPDATE node SET lent_bytes = $2 WHERE alias = $1", &[alias.into(), lent.into()])? == 1)
}

/// What the owner of every node accepts, as bits, in the order of aliases; at most [`crate::db::ROWS_MAX`].
pub fn accepts_of_all(q: &mut Reader<'_>) -> Result<Vec<(Alias, u32)>, DbError> {
    let sql = "SELECT alias, accepts FROM node ORDER BY alias LIMIT $1";
    q.query(sql, &[i64::try_from(crate::db::ROWS_MAX).unwrap_or(i64::MAX).into()], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Notes the hour in which nodes were last seen; never backwards.
pub fn set_last_seen(tx: &mut Tx<'_>, seen: &[(Alias, u64)]) -> Result<(), DbError> {
    let sql = "UPDATE node SET last_seen_hour = $2 WHERE alias = $1 AND last_seen_hour < $2";
    seen.iter().try_for_each(|(alias, hour)| tx.execute(sql, &[(*alias).into(), (*hour).into()]).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_keys_holds_exactly_those_that_begin_so() {
        for seed in 0..=255_u8 {
            let id = NodeId(std::array::from_fn(|i| seed.wrapping_mul(31).wrapping_add(i as u8)));
            let text = id.to_string();
            for len in 4..=text.len() {
                let (low, high) = key_range(&text[..len]).unwrap();
                assert!(low <= id.0 && id.0 <= high, "{len}");
                assert!(NodeId(low).has_prefix(&text[..len]) && NodeId(high).has_prefix(&text[..len]), "{len}");
            }
        }
        assert_eq!(key_range("nab"), None);
        assert_eq!(key_range("name with space"), None);
        assert_eq!(key_range("mabcd"), None);
    }
}
