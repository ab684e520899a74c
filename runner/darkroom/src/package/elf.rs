//! What an ELF file says of itself: for which machine it is, and which libraries it asks for.
//!
//! Bytes → [`Elf`]. Pure. Reads as little as those two questions need; a damaged file has no
//! libraries, and never a panic. Source: Tool Interface Standard, Executable and Linking Format 1.2,
//! and the 64-bit layouts of the System V ABI.

/// Machine number of x86-64 (`EM_X86_64`).
const X86_64: u16 = 62;
/// Of 64-bit Arm (`EM_AARCH64`).
const AARCH64: u16 = 183;
/// Segment that is loaded into memory (`PT_LOAD`).
const LOAD: u32 = 1;
/// Segment that tells the dynamic linker what to do (`PT_DYNAMIC`).
const DYNAMIC: u32 = 2;
/// Entries of that segment: a needed library, and where the names are (`DT_NEEDED`, `DT_STRTAB`).
const NEEDED: u64 = 1;
const NAMES: u64 = 5;
/// Most libraries that are read; a real file has a few dozen.
const MOST: usize = 4096;

/// An ELF file, as far as it is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// As Lambda spells it where it has it: `x86_64`, `arm64`; else for example `ELF machine 8`.
    pub machine: String,
    /// Names of the libraries that it asks the dynamic linker for, in its order.
    pub needs: Vec<String>,
}

/// Returns what a file says; `None` for one that is not ELF.
pub fn read(file: &[u8]) -> Option<Elf> {
    if !file.starts_with(b"\x7fELF") {
        return None;
    }
    let little = file.get(5) == Some(&1);
    let machine: [u8; 2] = file.get(18..20)?.try_into().ok()?;
    let machine = if little {
        u16::from_le_bytes(machine)
    } else {
        u16::from_be_bytes(machine)
    };
    let is_64_bit = file.get(4) == Some(&2);
    Some(Elf {
        machine: match machine {
            X86_64 if is_64_bit => "x86_64".to_owned(),
            AARCH64 => "arm64".to_owned(),
            other => format!("ELF machine {other}"),
        },
        needs: if little && is_64_bit {
            needs(file).unwrap_or_default()
        } else {
            Vec::new()
        },
    })
}

/// A part of the file and where it is in memory.
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    bytes: u64,
}

fn needs(file: &[u8]) -> Option<Vec<String>> {
    let segments = segments(file)?;
    let dynamic = segments.iter().find(|segment| segment.kind == DYNAMIC)?;
    let table = part(file, dynamic.offset, dynamic.bytes)?;
    let (entries, _) = table.as_chunks::<16>();
    let entries = entries
        .iter()
        .map(|entry| (number(entry, 0), number(entry, 8)));
    let entries: Vec<(u64, u64)> = entries
        .map(|(tag, value)| Some((tag?, value?)))
        .collect::<Option<_>>()?;
    let (_, names) = entries.iter().find(|(tag, _)| *tag == NAMES)?;
    let names = in_file(&segments, *names)?;
    let needed = entries.iter().filter(|(tag, _)| *tag == NEEDED).take(MOST);
    needed
        .map(|(_, place)| text(file, names.checked_add(*place)?))
        .collect()
}

fn segments(file: &[u8]) -> Option<Vec<Segment>> {
    let start = number(file, 32)?;
    let (size, count) = (short(file, 54)?, short(file, 56)?);
    let segment = |index: u16| {
        let at = start.checked_add(u64::from(index) * u64::from(size))?;
        let header = part(file, at, 56)?;
        Some(Segment {
            kind: u32::from_le_bytes(header.get(..4)?.try_into().ok()?),
            offset: number(header, 8)?,
            address: number(header, 16)?,
            bytes: number(header, 32)?,
        })
    };
    (0..count).map(segment).collect()
}

/// Returns where in the file an address is.
fn in_file(segments: &[Segment], address: u64) -> Option<u64> {
    let holds = |segment: &&Segment| {
        segment.kind == LOAD
            && address
                .checked_sub(segment.address)
                .is_some_and(|into| into < segment.bytes)
    };
    let segment = segments.iter().find(holds)?;
    segment.offset.checked_add(address - segment.address)
}

fn part(file: &[u8], at: u64, bytes: u64) -> Option<&[u8]> {
    let at = usize::try_from(at).ok()?;
    file.get(at..at.checked_add(usize::try_from(bytes).ok()?)?)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(eight.try_into().ok()?))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Returns the text that begins at a place and ends before a zero.
fn text(file: &[u8], at: u64) -> Option<String> {
    let rest = file.get(usize::try_from(at).ok()?..)?;
    let end = rest.iter().take(MOST).position(|byte| *byte == 0)?;
    String::from_utf8(rest[..end].to_vec()).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Makes a shared object for a machine that asks for these libraries: a header, two segments and
    /// the dynamic linker's table, as a linker would lay them out at address 0x1000.
    pub(in super::super) fn shared_object(machine: u16, needs: &[&str]) -> Vec<u8> {
        const START: u64 = 64 + 2 * 56;
        let mut names = vec![0_u8];
        let mut table = Vec::new();
        let mut add =
            |tag: u64, value: u64| table.extend([tag, value].map(u64::to_le_bytes).concat());
        for name in needs {
            add(NEEDED, names.len() as u64);
            names.extend(name.bytes().chain([0]));
        }
        let table_bytes = (needs.len() as u64 + 2) * 16;
        add(NAMES, 0x1000 + START + table_bytes);
        add(0, 0);
        let all = START + table_bytes + names.len() as u64;
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend(3_u16.to_le_bytes());
        file.extend(machine.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        file.extend([0, 64, 0].map(u64::to_le_bytes).concat());
        file.extend(0_u32.to_le_bytes());
        file.extend([64_u16, 56, 2, 0, 0, 0].map(u16::to_le_bytes).concat());
        for (kind, offset, bytes) in [(LOAD, 0, all), (DYNAMIC, START, table_bytes)] {
            file.extend(kind.to_le_bytes());
            file.extend(4_u32.to_le_bytes());
            let address = 0x1000 + offset;
            file.extend(
                [offset, address, address, bytes, bytes, 8]
                    .map(u64::to_le_bytes)
                    .concat(),
            );
        }
        file.extend(table);
        file.extend(names);
        file
    }

    #[test]
    fn a_shared_object_says_its_machine_and_what_it_needs() {
        for (number, machine) in [(62, "x86_64"), (183, "arm64"), (8, "ELF machine 8")] {
            let elf = read(&shared_object(number, &["libm.so.6", "libjpeg.so.62"])).unwrap();
            assert_eq!(elf.machine, machine);
            assert_eq!(elf.needs, ["libm.so.6", "libjpeg.so.62"]);
        }
        assert_eq!(read(b"#!/bin/sh\n"), None);
        assert_eq!(read(b"\x7fELF"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_test_is_a_program_of_this_machine_that_needs_a_c_library() {
        let elf = read(&std::fs::read(std::env::current_exe().unwrap()).unwrap()).unwrap();
        let here = match std::env::consts::ARCH {
            "aarch64" => "arm64",
            other => other,
        };
        assert_eq!(elf.machine, here);
        assert!(
            elf.needs.iter().any(|name| name.starts_with("libc.")),
            "{elf:?}"
        );
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic(at in 0_usize..400, byte: u8, cut in 0_usize..400) {
            let mut file = shared_object(183, &["libm.so.6"]);
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
            let _ = read(&file);
            file.truncate(cut);
            let _ = read(&file);
        }
    }
}
