//! Paying the relay: where this session's links to nodes went over one, it asks the center for leave and signs for what they moved, as
//! [`rules::ledger::relay`] says. The link to the center is free.
//!
//! (A) The count is the transport's own, of ways over a relay, both directions. (B) A receipt that was not taken stays until it is, or
//! until a newer one of its permit and window takes its place. (C) Without leave reading and writing go on, and nothing is signed.

use crate::{Client, ClientError};
use model::{NodeId, Stamp, errors};
use rules::ledger::relay::{Leave, Next, Payer, When};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use wire::settle::{RelayAsk, SettleReceipt};
use wire::signed::{Permit, PermitOp, Receipt};
use wire::{Reply, Request};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Longest time the end of a session waits for its last receipt to be taken.
const END_WAIT: Duration = Duration::from_secs(5);
/// Steps of one look: a permit that is spent is followed by another.
const STEPS_MAX: usize = 16;
/// Receipts that wait to be taken; of more the oldest are let go.
const WAITING_MAX: usize = 8;

/// What a session has signed for at the relay.
pub(crate) struct Relaying {
    center: NodeId,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    payer: Payer,
    permit: Option<Held>,
    waiting: Vec<Waiting>,
    /// The center said that nothing is owed.
    is_free: bool,
}

/// The permit at hand.
struct Held {
    bytes: Vec<u8>,
    serial: [u8; 16],
    relay: NodeId,
}

/// A receipt on its way.
struct Waiting {
    of: ([u8; 16], u32),
    shown: SettleReceipt,
}

impl Client {
    /// The same, paying what its links to nodes move over the relay of this center.
    #[must_use]
    pub fn with_relay_paid(self, center: NodeId) -> Self {
        Self { relaying: Some(Arc::new(Relaying { center, state: Mutex::default() })), ..self }
    }

    /// Bytes that links to nodes moved over a relay so far, both ways.
    pub fn relayed_bytes(&self) -> u64 {
        let Some(relaying) = &self.relaying else { return 0 };
        let center = relaying.center;
        self.endpoint.relayed_bytes(|peer| *peer != center)
    }

    /// Signs for what goes over the relay, for ever.
    pub async fn pay_relay(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look_at_relay(When::Meanwhile).await;
        }
    }

    /// Signs for what is left, before the session ends; it waits 5 s at most.
    pub async fn end_relay(&self) {
        if tokio::time::timeout(END_WAIT, self.look_at_relay(When::Ending)).await.is_err() {
            tracing::debug!("the last receipt for relayed bytes was not taken in time");
        }
    }

    async fn look_at_relay(&self, when: When) {
        let Some(relaying) = &self.relaying else { return };
        let mut state = relaying.state.lock().await;
        for _ in 0..STEPS_MAX {
            if state.is_free {
                return;
            }
            let now = self.now();
            match state.payer.next(now, self.relayed_bytes(), when) {
                Next::Nothing => break,
                Next::Ask(units) => self.ask_for_relay(&mut state, units, now).await,
                Next::Sign { window, units } => self.sign_for_relay(&mut state, (window, units), now),
            }
        }
        self.hand_in_relayed(&mut state).await;
    }

    async fn ask_for_relay(&self, state: &mut State, units: u64, now: Stamp) {
        let ask = RelayAsk { session: self.endpoint.id(), units };
        match self.ask(Request::RelayAsk(ask)).await {
            Ok(Reply::RelayPermit(Some(bytes))) => match Permit::parse(&bytes) {
                Ok(permit) if permit.op == PermitOp::Relay && permit.session == self.endpoint.id().0 => {
                    let units = permit.max_units.min(permit.max_units_node);
                    state.payer.given(Leave { units, until: permit.not_after }, now);
                    state.permit = Some(Held { bytes, serial: permit.serial, relay: NodeId(permit.node) });
                }
                _ => state.payer.refused(now),
            },
            Ok(Reply::RelayPermit(None)) => state.is_free = true,
            Ok(_) => state.payer.refused(now),
            // (C)
            Err(error) => {
                tracing::debug!(%error, "there is no leave to use the relay; it goes on without");
                state.payer.refused(now);
            }
        }
    }

    fn sign_for_relay(&self, state: &mut State, (window, units): (u32, u64), at: Stamp) {
        let Some(held) = &state.permit else { return };
        let (kind, serial, node) = (PermitOp::Relay as u8, held.serial, held.relay);
        let receipt = self.endpoint.sign_receipt(&Receipt { kind, serial, node, units, window, at });
        let shown = SettleReceipt { permit: held.bytes.clone(), receipt: receipt.to_vec() };
        // (B)
        state.waiting.retain(|waiting| waiting.of != (serial, window));
        state.waiting.push(Waiting { of: (serial, window), shown });
        if state.waiting.len() > WAITING_MAX {
            state.waiting.remove(0);
        }
    }

    async fn hand_in_relayed(&self, state: &mut State) {
        while let Some(waiting) = state.waiting.first() {
            match self.ask(Request::RelaySigned(waiting.shown.clone())).await {
                Ok(_) => {}
                Err(ClientError::Refused(no)) if matches!(no.id, errors::BAD_RECEIPT | errors::WINDOW_CLOSED) => {
                    tracing::warn!(id = %no.id, "a receipt for relayed bytes was not taken");
                }
                // It is sent again at the next look.
                Err(_) => return,
            }
            state.waiting.remove(0);
        }
    }
}
