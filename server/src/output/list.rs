//! Mode list: values as they are, between `|`.

use std::io::Write;

use crate::failure::Failure;

/// Writes one record.
pub(super) fn write_record(
    out: &mut impl Write,
    cells: &[Option<String>],
    null: &str,
) -> Result<(), Failure> {
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            out.write_all(b"|")?;
        }
        out.write_all(cell.as_deref().unwrap_or(null).as_bytes())?;
    }
    out.write_all(b"\n")?;
    Ok(())
}
