//! Facts about this machine that defaults depend on: its name and how much memory there is.

use std::{fs, path::PathBuf};

/// What the operating system says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    pub host_name: String,
    /// The smaller of physical memory and the limits of the cgroups this process is in. `None`
    /// where the system does not say.
    pub memory_bytes: Option<u64>,
}

impl Machine {
    /// Asks the operating system.
    pub fn probe() -> Machine {
        let host_name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        Machine {
            host_name,
            memory_bytes: physical_memory().into_iter().chain(cgroup_limits()).min(),
        }
    }

    /// The default of `weir.memory.bytes`: a quarter of the memory, at least 128 MiB, at most 1 GiB.
    pub fn memory_budget(&self) -> u64 {
        const BUDGET_BYTES_MIN: u64 = 128 << 20;
        const BUDGET_BYTES_MAX: u64 = 1 << 30;
        let quarter = self.memory_bytes.unwrap_or(0) / 4;
        quarter.clamp(BUDGET_BYTES_MIN, BUDGET_BYTES_MAX)
    }
}

fn physical_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The limits of this process's cgroup and of those above it (version 2, then version 1).
fn cgroup_limits() -> Vec<u64> {
    let Ok(groups) = fs::read_to_string("/proc/self/cgroup") else {
        return Vec::new();
    };
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = PathBuf::from(format!("{root}{path}"));
        // A container often sees its own group as the root, under another path than its own.
        let above = group
            .ancestors()
            .take_while(|above| above.starts_with(root));
        limits.extend(above.filter_map(|above| read_limit(&above.join(file))));
        limits.extend(read_limit(&PathBuf::from(root).join(file)));
    }
    limits
}

/// `None` for "max", for the huge number with which version 1 says the same, and if unreadable.
fn read_limit(path: &std::path::Path) -> Option<u64> {
    let limit: u64 = fs::read_to_string(path).ok()?.trim().parse().ok()?;
    (limit < 1 << 60).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_budget_is_a_quarter_within_its_bounds() {
        let budget = |memory_bytes| {
            Machine {
                host_name: String::new(),
                memory_bytes,
            }
            .memory_budget()
        };
        assert_eq!(budget(Some(2 << 30)), 512 << 20);
        assert_eq!(budget(Some(100 << 20)), 128 << 20);
        assert_eq!(budget(Some(64 << 30)), 1 << 30);
        assert_eq!(budget(None), 128 << 20);
    }

    #[test]
    fn this_machine_has_a_name_and_memory() {
        let machine = Machine::probe();
        assert!(!machine.host_name.is_empty());
        assert!(machine.memory_bytes.is_some_and(|bytes| bytes > 1 << 20));
    }
}
