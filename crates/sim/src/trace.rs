//! The trace: BLAKE3 over every event and every effect. Equal hashes mean that two runs did the same.

use model::Stamp;

/// Something that enters the trace. Two values that differ in meaning write different bytes.
pub trait Record {
    /// Writes the value, fixed width or with its length before it.
    fn record(&self, sink: &mut Sink<'_>);
}

/// Where a [`Record`] writes.
pub struct Sink<'a>(&'a mut Vec<u8>);

impl Sink<'_> {
    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }
    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
}

const EVENT: u8 = 0xE0;
const EFFECT: u8 = 0xEF;
/// Bytes gathered before they are hashed together: short updates are slow.
const BATCH_BYTES: usize = 64 * 1_024;

/// The hash in the making.
#[derive(Default)]
pub struct Trace {
    hasher: blake3::Hasher,
    batch: Vec<u8>,
    events: u64,
    effects: u64,
}

impl Trace {
    /// An event that happens at `at`.
    pub fn event(&mut self, at: Stamp, event: &impl Record) {
        self.events += 1;
        self.batch.push(EVENT);
        self.write(at, event);
    }

    /// Something done at `at`, e.g. an answer or a transition.
    pub fn effect(&mut self, at: Stamp, effect: &impl Record) {
        self.effects += 1;
        self.batch.push(EFFECT);
        self.write(at, effect);
    }

    fn write(&mut self, at: Stamp, what: &impl Record) {
        let mut sink = Sink(&mut self.batch);
        sink.u64(at.as_ms());
        what.record(&mut sink);
        if self.batch.len() >= BATCH_BYTES {
            self.hasher.update(&self.batch);
            self.batch.clear();
        }
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Effects so far.
    pub fn effects(&self) -> u64 {
        self.effects
    }

    /// The hash of everything so far, in hex.
    pub fn hash(&self) -> String {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.batch);
        hasher.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Byte(u8);
    impl Record for Byte {
        fn record(&self, sink: &mut Sink<'_>) {
            sink.u8(self.0);
        }
    }

    #[test]
    fn events_effects_times_and_contents_all_count() {
        let hash = |f: fn(&mut Trace)| {
            let mut trace = Trace::default();
            f(&mut trace);
            trace.hash()
        };
        let base = hash(|t| t.event(Stamp(1), &Byte(1)));
        assert_eq!(base, hash(|t| t.event(Stamp(1), &Byte(1))));
        assert_ne!(base, hash(|t| t.effect(Stamp(1), &Byte(1))));
        assert_ne!(base, hash(|t| t.event(Stamp(2), &Byte(1))));
        assert_ne!(base, hash(|t| t.event(Stamp(1), &Byte(2))));
    }
}
