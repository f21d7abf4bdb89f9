//! The system's sensors. On Linux: kernel files and the system bus; elsewhere a sensor that always answers "in use".

use super::{Sample, Sensors};

/// What this machine's system says.
pub struct SystemSensors {
    #[cfg(target_os = "linux")]
    inner: super::linux::LinuxSensors,
}

impl SystemSensors {
    /// Sensors of this machine. On Linux the system bus is asked where it has a socket, on a thread that ends with these
    /// sensors.
    pub fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            inner: super::linux::LinuxSensors::of_this_machine(),
        }
    }
}

impl Default for SystemSensors {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(target_os = "linux")]
impl Sensors for SystemSensors {
    fn sample(&mut self) -> Sample {
        self.inner.sample()
    }

    fn look_for(&mut self, apps: &[String]) {
        self.inner.look_for(apps);
    }
}

#[cfg(not(target_os = "linux"))]
impl Sensors for SystemSensors {
    fn sample(&mut self) -> Sample {
        let names = ["idle", "cpu", "pressure", "memory", "battery", "metered", "thermal", "apps", "fullscreen"];
        Sample { signals: names.iter().map(|name| (*name, false)).collect(), ..Sample::default() }
    }

    fn look_for(&mut self, _apps: &[String]) {}
}
