//! Addresses as QR codes (ISO/IEC 18004) on a terminal.

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// Draws the QR code of an address, two rows of modules in each line of text, with the quiet zone
/// around it.
///
/// Light modules are drawn and dark ones left out, for terminals with a dark background; most
/// readers take either. The text stays in lower case: upper case would make the code a third
/// smaller, but an address of the chain has one spelling, in lower case.
pub(super) fn draw(address: &str) -> String {
    QrCode::new(address)
        .expect("an address is far shorter than what a code holds")
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each module is dark, row by row.
    fn modules(drawn: &str) -> Vec<Vec<bool>> {
        let halves = |line: &str| {
            let half = |char| match char {
                ' ' => (true, true),
                '▀' => (false, true),
                '▄' => (true, false),
                '█' => (false, false),
                other => panic!("{other:?} is no half block"),
            };
            let (above, below): (Vec<_>, Vec<_>) = line.chars().map(half).unzip();
            [above, below]
        };
        drawn.lines().flat_map(halves).collect()
    }

    #[test]
    fn another_program_reads_the_address_out_of_what_is_drawn() {
        // The longest human-readable part makes the longest address.
        for text in
            [format!("forge1{}", "q".repeat(58)), format!("{}1{}", "z".repeat(31), "7".repeat(58))]
        {
            let modules = modules(&draw(&text));
            let width = modules[0].len();
            const SCALE: usize = 4;
            let mut image = rqrr::PreparedImage::prepare_from_greyscale(
                width * SCALE,
                // An odd number of rows leaves half a line, which is dark here and outside of the
                // code.
                width * SCALE,
                |x, y| if modules[y / SCALE][x / SCALE] { 0 } else { 255 },
            );
            let grids = image.detect_grids();
            assert_eq!(grids.len(), 1);
            let (_, read) = grids[0].decode().expect("a code");
            assert_eq!(read, text);
            // An address fits a line of an 80-column terminal.
            assert!(width <= 80, "{width}");
        }
    }
}
