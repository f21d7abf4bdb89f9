//! A scripted owner, for tests and the demo: what the sensors say is set from outside. Begins idle and calm.

use super::{Sample, Sensors};
use model::{ParseError, Ppm, Span};
use rules::fleet::owner::Readings;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// Time without input that `idle` alone stands for: longer than any profile waits.
const LONG_IDLE: Span = Span::hours(1);
/// Programs that a script may let run at once.
const APPS_MAX: usize = 64;

/// Why an event of a script is none.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The agent has real sensors.
    #[error("the agent was not started with scripted sensors")]
    NotScripted,
    /// No such event.
    #[error(
        "`{0}` is none of: input, idle [TIME], nosignal, app NAME [off], battery [off], metered [off], fullscreen [off], \
         thermal SHARE, pressure cpu|io|memory SHARE, clear"
    )]
    Unknown(String),
    /// A size or time in it does not read.
    #[error(transparent)]
    Value(#[from] ParseError),
}

/// What a script has set.
#[derive(Debug)]
struct Script {
    readings: Readings,
    /// Idle time is counted from here; none is no signal.
    input_at: Option<(Instant, Span)>,
}

impl Script {
    fn calm() -> Self {
        Self { readings: Readings::default(), input_at: Some((Instant::now(), LONG_IDLE)) }
    }
}

/// Sets what [`ScriptedSensors`] say; clones write the same script.
#[derive(Debug, Clone)]
pub struct ScriptHandle(Arc<Mutex<Script>>);

impl ScriptHandle {
    /// Carries out one event, e.g. `input`, `battery`, `battery off`, `app steam`, `pressure cpu 90%`. True for input.
    pub fn apply(&self, event: &str) -> Result<bool, ScriptError> {
        let words: Vec<&str> = event.split_whitespace().collect();
        let mut script = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let readings = &mut script.readings;
        match words[..] {
            ["input"] => script.input_at = Some((Instant::now(), Span::ZERO)),
            ["idle"] => script.input_at = Some((Instant::now(), LONG_IDLE)),
            ["idle", span] => script.input_at = Some((Instant::now(), span.parse()?)),
            ["nosignal"] => script.input_at = None,
            ["battery"] => readings.battery = true,
            ["battery", "off"] => readings.battery = false,
            ["metered"] => readings.metered = true,
            ["metered", "off"] => readings.metered = false,
            ["fullscreen"] => readings.fullscreen = true,
            ["fullscreen", "off"] => readings.fullscreen = false,
            ["thermal", share] => readings.thermal = share.parse()?,
            ["app", name] if readings.apps.len() < APPS_MAX => readings.apps.push(name.to_owned()),
            ["app", name, "off"] => readings.apps.retain(|app| app != name),
            ["pressure", of, share] => press(readings, of, share.parse()?).ok_or_else(|| unknown(event))?,
            ["clear"] => *script = Script::calm(),
            _ => return Err(unknown(event)),
        }
        Ok(words[0] == "input")
    }

    /// What the sensors say at this moment.
    pub fn sample(&self) -> Sample {
        let script = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = script
            .input_at
            .map(|(at, idle)| idle + Span::ms(u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)));
        let names = ["idle", "cpu", "pressure", "memory", "battery", "metered", "thermal", "apps", "fullscreen"];
        let signals = names.iter().map(|name| (*name, *name != "idle" || idle.is_some())).collect();
        Sample { readings: Readings { idle, ..script.readings.clone() }, signals }
    }
}

fn unknown(event: &str) -> ScriptError {
    ScriptError::Unknown(event.chars().take(80).collect())
}

/// Pressure as another program would make it: on the processor it is that program's use, elsewhere it is waiting.
fn press(readings: &mut Readings, of: &str, share: Ppm) -> Option<()> {
    match of {
        "cpu" => (readings.cpu_other, readings.psi_cpu_some) = (share, share),
        "io" => (readings.psi_io_some, readings.psi_io_full) = (share, share),
        "memory" => readings.psi_memory_some = share,
        _ => return None,
    }
    Some(())
}

/// Sensors that say what a script sets.
#[derive(Debug)]
pub struct ScriptedSensors(ScriptHandle);

impl ScriptedSensors {
    /// Idle for long, and calm.
    pub fn calm() -> Self {
        Self(ScriptHandle(Arc::new(Mutex::new(Script::calm()))))
    }

    /// The hand that writes the script.
    pub fn handle(&self) -> ScriptHandle {
        self.0.clone()
    }
}

impl Sensors for ScriptedSensors {
    fn sample(&mut self) -> Sample {
        self.0.sample()
    }

    fn look_for(&mut self, _apps: &[String]) {}

    fn script(&self) -> Option<ScriptHandle> {
        Some(self.handle())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_says_what_it_was_told() {
        let mut sensors = ScriptedSensors::calm();
        let hand = sensors.handle();
        assert!(sensors.sample().readings.idle >= Some(LONG_IDLE));
        assert!(hand.apply("input").unwrap());
        assert!(sensors.sample().readings.idle < Some(LONG_IDLE));
        for event in ["idle 20min", "app steam", "battery", "metered", "fullscreen", "thermal 80%", "pressure cpu 90%"]
        {
            assert!(!hand.apply(event).unwrap(), "{event}");
        }
        let said = sensors.sample().readings;
        assert!(said.idle >= Some(Span::mins(20)) && said.battery && said.metered && said.fullscreen);
        assert_eq!(
            (said.thermal, said.cpu_other, said.apps),
            (Ppm::percent(80), Ppm::percent(90), vec!["steam".into()])
        );
        hand.apply("app steam off").unwrap();
        hand.apply("battery off").unwrap();
        assert!(sensors.sample().readings.apps.is_empty() && !sensors.sample().readings.battery);
        hand.apply("nosignal").unwrap();
        assert_eq!((sensors.sample().readings.idle, sensors.sample().signals[0]), (None, ("idle", false)));
        hand.apply("clear").unwrap();
        assert_eq!(sensors.sample().readings.cpu_other, Ppm(0));
    }

    #[test]
    fn what_is_no_event_is_refused_and_changes_nothing() {
        let hand = ScriptedSensors::calm().handle();
        for event in
            ["", "inputs", "idle soon", "thermal 200%", "pressure gpu 10%", "app", "battery maybe", "input now"]
        {
            assert!(hand.apply(event).is_err(), "{event}");
        }
        for n in 0..APPS_MAX {
            hand.apply(&format!("app x{n}")).unwrap();
        }
        assert!(hand.apply("app one-more").is_err());
    }
}
