//! What divides the columns of a file: commas, semicolons or tabs.

const DIVIDERS: [u8; 3] = [b',', b';', b'\t'];

/// What divides the header most often, outside quotes: the first line on which anything but dividers stands.
pub(super) fn of(start: &[u8]) -> u8 {
    let (mut counts, mut quoted, mut named, mut before) =
        ([0; DIVIDERS.len()], false, false, b'\n');
    for byte in start.iter().copied() {
        let begins_cell = matches!(before, b'\r' | b'\n') || DIVIDERS.contains(&before);
        match byte {
            b'"' if quoted => quoted = false,
            // The second of two quotes within a quoted cell goes on with it.
            b'"' if begins_cell || before == b'"' => quoted = true,
            _ if quoted => named = true,
            b'\r' | b'\n' if named => break,
            b'\r' | b'\n' => counts = [0; DIVIDERS.len()],
            _ => match DIVIDERS.iter().position(|divider| *divider == byte) {
                Some(place) => counts[place] += 1,
                None => named = true,
            },
        }
        before = byte;
    }
    // Of several the first.
    let most = DIVIDERS.into_iter().zip(counts).rev().max_by_key(|(_, count)| *count);
    most.map_or(b',', |(divider, _)| divider)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_header_says_what_divides_it() {
        for (start, divider) in [
            ("", ','),
            ("name", ','),
            ("name,email", ','),
            ("name;email\na,b,c,d\n", ';'),
            ("name\temail", '\t'),
            ("\nname;email\n", ';'),
            ("\r\n,,,\r\nname;email", ';'),
            (";;;\n\"\",\nname,email", ','),
            ("\"Name (last, first, title)\";email", ';'),
            ("\"a \"\"b, c, d\"\"\";email", ';'),
            ("\"a\nb,c,d\";email\n1,2,3,4", ';'),
            ("email,\"a;b;c;d;e;f;g\",_row", ','),
            ("5\" pipe;size\n,,,\n", ';'),
        ] {
            assert_eq!(char::from(of(start.as_bytes())), divider, "{start:?}");
        }
    }
}
