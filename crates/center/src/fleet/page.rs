//! The view model of the fleet's page.

use super::list::line;
use super::store::{self, NodeFilter};
use crate::Center;
use crate::refuse::Refused;
use console::fleet::{FleetView, NodeView};
use model::Capability;

/// Rows shown on the page.
const SHOWN: u32 = 500;

/// What the page shows now.
pub async fn view(center: &Center) -> Result<FleetView, Refused> {
    let found = center.db().read(|q| {
        let filter = NodeFilter::default();
        Ok((store::list_nodes(q, &filter, None, SHOWN)?, store::count_nodes(q, &filter)?, store::lent_in_all(q)?))
    });
    let (rows, all, lent) = found.await?;
    let nodes: Vec<NodeView> = rows
        .iter()
        .map(|row| {
            let line = line(center, row);
            NodeView {
                name: line.name,
                id: line.id.short(),
                region: line.region.map(|r| r.to_string()),
                presence: line.presence,
                state: line.state,
                reason: line.reason,
                quarantined: line.quarantined,
                tier: line.tier.to_string(),
                lent: line.lent,
                nat: line.nat.to_string(),
                capabilities: Capability::ALL
                    .iter()
                    .copied()
                    .filter(|c| line.capabilities & (1 << c.code()) != 0)
                    .collect(),
                seen: line.seen,
            }
        })
        .collect();
    let now = center.now();
    let more = u32::try_from(all).unwrap_or(u32::MAX).saturating_sub(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
    Ok(FleetView {
        cloud: center.name().to_owned(),
        counts: center.fleet().presence.counts(now).to_vec(),
        lent,
        lent_nodes: u32::try_from(all).unwrap_or(u32::MAX),
        nodes,
        more,
        at: now,
    })
}
