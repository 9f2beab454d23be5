//! The memory that this process can have.

use std::path::Path;

/// The memory that a process can have, in bytes: the machine's, or less where a control group has a
/// limit. `None` where neither says. `root` is `/`, but in tests.
pub fn memory_bytes(root: &Path) -> Option<u64> {
    let groups = read(root, "proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().flat_map(|group| limits(root, group));
    limits.chain(machine_bytes(root)).min()
}

/// proc_meminfo(5): `MemTotal: 1024 kB`.
fn machine_bytes(root: &Path) -> Option<u64> {
    let info = read(root, "proc/meminfo")?;
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The limits of a control group and of those that it is in (cgroups(7):
/// `HIERARCHY:CONTROLLERS:PATH`, version 2 without controllers). `max`, for none, is no number.
fn limits(root: &Path, group: &str) -> Vec<u64> {
    let mut parts = group.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (base, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        some if some.split(',').any(|one| one == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        _ => return Vec::new(),
    };
    let around = Path::new(path).ancestors();
    let limit = |group: &Path| {
        let folder = Path::new(base).join(group.strip_prefix("/").unwrap_or(group));
        read(root, folder.join(file))?.trim().parse().ok()
    };
    around.filter_map(limit).collect()
}

fn read(root: &Path, file: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(root.join(file)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().expect("a folder");
        for (file, text) in files {
            let file = root.path().join(file);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            std::fs::write(file, text).expect("written");
        }
        memory_bytes(root.path())
    }

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:       4096 kB\nMemFree: 1 kB\n");

    #[test]
    fn the_least_of_all_limits_counts() {
        assert_eq!(memory(&[]), None);
        assert_eq!(memory(&[MACHINE]), Some(4 << 20));
        // Version 2: the group itself has none, the one around it has.
        let two = [
            MACHINE,
            ("proc/self/cgroup", "0::/pod/relay\n"),
            ("sys/fs/cgroup/pod/relay/memory.max", "max\n"),
            ("sys/fs/cgroup/pod/memory.max", "1048576\n"),
        ];
        assert_eq!(memory(&two), Some(1 << 20));
        // Version 1, in a container that sees its group as the root.
        let one = [
            MACHINE,
            ("proc/self/cgroup", "4:cpu,cpuacct:/x\n3:memory:/docker/a\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2097152\n"),
        ];
        assert_eq!(memory(&one), Some(2 << 20));
        let unlimited = [
            MACHINE,
            ("proc/self/cgroup", "3:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        assert_eq!(memory(&unlimited), Some(4 << 20));
    }
}
