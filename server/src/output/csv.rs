//! Mode csv: RFC 4180. NULL is nothing between the commas and an empty text is `""`, so both come back.

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
            out.write_all(b",")?;
        }
        match cell {
            None => out.write_all(null.as_bytes())?,
            Some(text) if needs_quotes(text, null) => {
                write!(out, "\"{}\"", text.replace('"', "\"\""))?;
            }
            Some(text) => out.write_all(text.as_bytes())?,
        }
    }
    out.write_all(b"\r\n")?;
    Ok(())
}

fn needs_quotes(text: &str, null: &str) -> bool {
    text == null || text.is_empty() || text.contains([',', '"', '\n', '\r']) || text.trim() != text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_misread_is_quoted() {
        let mut out = Vec::new();
        let cells = ["a", "", "b,c", "say \"hi\"", "two\nlines"].map(|text| Some(text.to_owned()));
        write_record(&mut out, &[&cells[..], &[None]].concat(), "").unwrap();
        let expected = "a,\"\",\"b,c\",\"say \"\"hi\"\"\",\"two\nlines\",\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
