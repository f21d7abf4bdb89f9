//! Battery or mains (`/sys/class/power_supply`, kernel's `sysfs-class-power`).

use super::{names, number, text};
use std::path::Path;

/// On battery? None where the kernel knows no power supplies at all; false on a machine without a battery of its own.
pub(super) fn on_battery(root: &Path) -> Option<bool> {
    let class = root.join("sys/class/power_supply");
    let supplies = names(&class, "")?;
    let word = |name: &str, file: &str| text(&class.join(name).join(file)).map(|text| text.trim().to_ascii_lowercase());
    let is = |name: &str, file: &str, wanted: &str| word(name, file).as_deref() == Some(wanted);
    let external =
        |name: &&String| is(name, "type", "mains") || is(name, "type", "usb") || is(name, "type", "wireless");
    let online = |name: &String| number(&class.join(name).join("online")).is_some_and(|online| online > 0);
    if supplies.iter().filter(external).any(online) {
        return Some(false);
    }
    // A mouse has a battery too: scope "Device".
    let own = |name: &&String| {
        (is(name, "type", "battery") || is(name, "type", "ups"))
            && !is(name, "scope", "device")
            && !is(name, "present", "0")
    };
    let fed = |name: &String| ["charging", "full", "not charging"].iter().any(|word| is(name, "status", word));
    let batteries: Vec<&String> = supplies.iter().filter(own).collect();
    Some(!batteries.is_empty() && !batteries.iter().all(|name| fed(name)))
}
