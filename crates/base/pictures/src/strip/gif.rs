//! GIF: frames, their timing, and the extensions that browsers know; comments and texts go.

const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2C;
const TRAILER: u8 = 0x3B;
const GRAPHIC_CONTROL: u8 = 0xF9;
const APPLICATION: u8 = 0xFF;

/// Loop counts, by either name, and the colour profile.
const APPLICATIONS: [&[u8; 11]; 3] = [b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"];

/// `None` where the file ends before its first frame does. A later frame that is cut off is left out.
pub(super) fn strip(bytes: &[u8]) -> Option<Vec<u8>> {
    let head = 13 + colour_table(*bytes.get(10)?);
    let (head, mut rest) = bytes.split_at_checked(head)?;
    let mut file = head.to_vec();
    let mut has_frame = false;
    while let Some((block, behind)) = next_block(rest) {
        if is_kept(block) {
            file.extend_from_slice(block);
        }
        has_frame |= block[0] == IMAGE;
        rest = behind;
    }
    file.push(TRAILER);
    has_frame.then_some(file)
}

/// Bytes of the colour table that the flags of a screen or a frame announce.
fn colour_table(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// The block at the start and what follows; `None` at the end of the picture and where the block is cut off.
fn next_block(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = match *rest.first()? {
        EXTENSION => 2,
        // Place, size and flags; the colour table; the first code's size.
        IMAGE => 10 + colour_table(*rest.get(9)?) + 1,
        _ => return None,
    };
    rest.split_at_checked(head + sub_blocks(rest.get(head..)?)?)
}

/// Bytes of the sub-blocks at the start, with the empty one that ends them.
fn sub_blocks(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}

fn is_kept(block: &[u8]) -> bool {
    match block {
        [IMAGE, ..] | [EXTENSION, GRAPHIC_CONTROL, ..] => true,
        [EXTENSION, APPLICATION, 11, name @ ..] => APPLICATIONS.iter().any(|known| name.starts_with(*known)),
        _ => false,
    }
}
