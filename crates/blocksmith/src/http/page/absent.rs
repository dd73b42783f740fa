//! What a program that was built without the page shows in its place.

use maud::{DOCTYPE, Markup, html};

/// Says how to get the page, in a document that needs no other file.
pub(super) fn document() -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Blocksmith without its page" }
            }
            body {
                h1 { "This program was built without its page" }
                p {
                    "The node runs, and its calls work. To see the page here, make it in the folder of the \
                     sources, which needs Node.js 20 or later, then build the program again and restart it:"
                }
                pre { "cargo xtask web\ncargo build --release" }
                p { a href="/docs" { "What programs can ask this node" } }
            }
        }
    }
}
