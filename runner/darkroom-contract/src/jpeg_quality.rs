//! The quality at which a JPEG was written, from its quantisation table.
//!
//! Bytes → [`Quality`], on libjpeg's scale that encoders share (1 to 100). A file does not store
//! its quality, only the resulting table, so the answer is exact only if the encoder scales a known
//! table.

/// What the quantisation table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// 1 to 100.
    pub value: u8,
    /// The table is a known one, scaled; otherwise its mean was compared with that of the
    /// standard's.
    pub exact: bool,
}

/// Share of a table by which it may differ from a scaled known one: roundings differ, and variants
/// of the standard's exist.
const SAME_TABLE: f64 = 0.1;

type Table = [u16; 64];

/// Luminance, in rows. Source: ITU-T T.81, table K.1. libjpeg, libjpeg-turbo, OpenCV, Go, Java and
/// the Rust crates scale it.
const STANDARD: Table = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];

/// What mozjpeg scales by default. Source: mozjpeg, jcparam.c, `std_luminance_quant_tbl[3]` (N.
/// Robidoux).
const MOZJPEG: Table = [
    16, 16, 16, 18, 25, 37, 56, 85, 16, 17, 20, 27, 34, 40, 53, 75, 16, 20, 24, 31, 43, 62, 91,
    135, 18, 27, 31, 40, 53, 74, 106, 156, 25, 34, 43, 53, 69, 94, 131, 189, 37, 40, 62, 74, 94,
    124, 169, 238, 56, 53, 91, 106, 131, 169, 226, 311, 85, 75, 135, 156, 189, 238, 311, 418,
];

/// Place of the k-th entry of a table as it is in a file. Source: ITU-T T.81, figure A.6.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Returns the quality of a JPEG's first component; `None` where it has no table that can be read.
pub fn jpeg_quality(bytes: &[u8]) -> Option<Quality> {
    let table = table(bytes)?;
    let candidates = (1..=100u8).flat_map(|value| {
        [
            (value, scaled(&STANDARD, value)),
            (value, scaled(&MOZJPEG, value)),
        ]
    });
    let (apart, value) = candidates
        .map(|(value, known)| (apart(&table, &known), value))
        .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))?;
    if apart <= SAME_TABLE {
        return Some(Quality { value, exact: true });
    }
    let sum = sum(&table);
    let value =
        (1..=100u8).min_by_key(|value| self::sum(&scaled(&STANDARD, *value)).abs_diff(sum))?;
    Some(Quality {
        value,
        exact: false,
    })
}

/// Returns the step in which the mean of a block is stored.
pub fn first_step(bytes: &[u8]) -> Option<u16> {
    table(bytes).map(|table| table[0])
}

/// Returns a table at a quality, as libjpeg's `jpeg_quality_scaling` and `jpeg_add_quant_table`
/// make it.
fn scaled(table: &Table, quality: u8) -> Table {
    let quality = u32::from(quality);
    let percent = if quality < 50 {
        5000 / quality
    } else {
        200 - 2 * quality
    };
    table.map(|step| ((u32::from(step) * percent + 50) / 100).clamp(1, 255) as u16)
}

fn sum(table: &Table) -> u32 {
    table.iter().map(|step| u32::from(*step)).sum()
}

fn apart(table: &Table, known: &Table) -> f64 {
    let apart: u32 = table
        .iter()
        .zip(known)
        .map(|(a, b)| u32::from(a.abs_diff(*b)))
        .sum();
    f64::from(apart) / f64::from(sum(known))
}

/// Returns the table that the first component names. Source: ITU-T T.81, B.2.2 and B.2.4.1.
fn table(bytes: &[u8]) -> Option<Table> {
    let mut tables: [Option<Table>; 4] = [None; 4];
    let mut selected = 0;
    let mut rest = bytes.get(2..)?;
    loop {
        let start = rest.iter().position(|byte| *byte == 0xFF)?;
        let (&marker, after) = rest.get(start + 1..)?.split_first()?;
        if marker == 0xFF {
            rest = rest.get(start + 1..)?;
            continue;
        }
        rest = after;
        match marker {
            // The first scan uses what has been said by then.
            0xD9 | 0xDA => return tables.get(selected).copied().flatten(),
            0x00 | 0x01 | 0xD0..=0xD8 => continue,
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes(*rest.first_chunk::<2>()?));
        let data = rest.get(2..length)?;
        match marker {
            0xDB => read_tables(data, &mut tables)?,
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                selected = usize::from(*data.get(8)?);
            }
            _ => {}
        }
        rest = rest.get(length..)?;
    }
}

fn read_tables(mut data: &[u8], tables: &mut [Option<Table>; 4]) -> Option<()> {
    while let Some((&kind, after)) = data.split_first() {
        let wide = kind >> 4 != 0;
        let (steps, rest) = after.split_at_checked(if wide { 128 } else { 64 })?;
        let mut table = [0; 64];
        for (place, index) in ZIGZAG.into_iter().zip(0..) {
            table[place] = if wide {
                u16::from_be_bytes([steps[2 * index], steps[2 * index + 1]])
            } else {
                u16::from(steps[index])
            };
        }
        *tables.get_mut(usize::from(kind & 15))? = Some(table);
        data = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A JPEG's segments up to its first scan, with this table.
    fn file(table: &Table, wide: bool) -> Vec<u8> {
        let mut bytes = vec![
            0xFF,
            0xD8,
            0xFF,
            0xDB,
            0,
            if wide { 131 } else { 67 },
            u8::from(wide) << 4,
        ];
        for place in ZIGZAG {
            let [high, low] = table[place].to_be_bytes();
            bytes.extend(if wide { vec![high, low] } else { vec![low] });
        }
        bytes.extend([
            0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0, 0xFF, 0xDA, 0, 2,
        ]);
        bytes
    }

    const fn exact(value: u8) -> Quality {
        Quality { value, exact: true }
    }

    #[test]
    fn every_quality_of_the_known_tables_is_read_back() {
        for value in 5..=100 {
            assert_eq!(
                jpeg_quality(&file(&scaled(&STANDARD, value), value % 2 == 0)),
                Some(exact(value))
            );
        }
        for value in 25..=98 {
            assert_eq!(
                jpeg_quality(&file(&scaled(&MOZJPEG, value), false)),
                Some(exact(value))
            );
        }
    }

    #[test]
    fn another_encoders_rounding_is_the_same_quality_and_another_table_counts_by_its_mean() {
        // Cut off where libjpeg rounds.
        let cut = STANDARD.map(|step| (step * 20 / 100).max(1));
        let Some(Quality {
            value: 90..=92,
            exact: true,
        }) = jpeg_quality(&file(&cut, false))
        else {
            panic!()
        };
        // A flat one, as mozjpeg's second.
        let flat = jpeg_quality(&file(&[12; 64], false)).unwrap();
        assert!(!flat.exact && (85..=95).contains(&flat.value), "{flat:?}");
    }

    #[test]
    fn the_image_crate_writes_what_libjpeg_would() {
        for quality in [50, 75, 90, 95, 100] {
            let mut bytes = Vec::new();
            let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality);
            image::GrayImage::new(16, 16)
                .write_with_encoder(encoder)
                .unwrap();
            assert_eq!(jpeg_quality(&bytes), Some(exact(quality)));
        }
    }

    #[test]
    fn what_has_no_table_has_no_quality() {
        let whole = file(&STANDARD, false);
        for length in 0..whole.len() {
            // Any cut is an answer or none, and never a panic.
            let _ = jpeg_quality(&whole[..length]);
        }
        assert_eq!(jpeg_quality(&whole[..60]), None);
        assert_eq!(jpeg_quality(b"\xFF\xD8\xFF\xD9"), None);
        let other_table = [&whole[..whole.len() - 5], &[3, 0xFF, 0xDA, 0, 2]].concat();
        assert_eq!(
            jpeg_quality(&other_table),
            None,
            "the frame names a table that is not there"
        );
    }
}
