//! From other machines, an image in a page of strangers must not mine for them: browsers don't say
//! for whom they ask there.

use reqwest::StatusCode;

use crate::operator::namespace::{FAR, is_in_its_own_network};
use crate::operator::token::{client, node};

const ALICE: &str = "forge133luv4f27suy5ymere3m43ul7270am03gw5g6mwykcyq4zpfehqsdsuhw0";
const EVE: &str = "forge1jn82ryvmmn00c3u0s5e600uf2jr8ms38mfuh23jzevhyralrqrvq0akm6l";

#[tokio::test(flavor = "multi_thread")]
async fn a_node_mines_for_others_from_its_own_machine_or_with_the_token() {
    let name = "operator::browsers::a_node_mines_for_others_from_its_own_machine_or_with_the_token";
    if !is_in_its_own_network(name) {
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    let args = ["--chain", "forge-dev", "--bind", "0.0.0.0", "--to", ALICE];
    let (_node, port) = node(home.path(), &args);
    let token = std::fs::read_to_string(home.path().join("data/operator.token")).expect("a token");
    let mine = async |host: &str, query: &str, token: Option<&str>| {
        let mut request = client().get(format!("http://{host}:{port}/mine{query}"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = request.send().await.expect("an answer");
        (response.status(), response.text().await.expect("a text"))
    };
    let for_eve = format!("?recipient={EVE}");
    let (status, said) = mine(FAR, &for_eve, None).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{said}");
    assert!(said.contains("blocksmith mine") && said.contains("Authorization"), "{said}");
    assert_eq!(mine(FAR, &for_eve, Some("0")).await.0, StatusCode::UNAUTHORIZED);
    for (host, query, token, whose) in [
        (FAR, "", None, ALICE),
        (FAR, &*for_eve, Some(token.trim()), EVE),
        ("127.0.0.1", &for_eve, None, EVE),
        ("localhost", "", None, ALICE),
    ] {
        let (status, said) = mine(host, query, token).await;
        assert_eq!(status, StatusCode::OK, "{host} {query}: {said}");
        assert!(said.contains(whose), "{host} {query}: {said}");
    }
    // A browser on this machine does not say for whose page it asks under these names, which lead
    // here as well.
    for name in ["0.0.0.0", "vm", "[::ffff:127.0.0.1]", "pc12.local", "192.168.1.9"] {
        let url = format!("http://127.0.0.1:{port}/mine{for_eve}");
        let request = client().get(url).header("host", format!("{name}:{port}"));
        let response = request.send().await.expect("an answer");
        let (status, said) = (response.status(), response.text().await.expect("a text"));
        assert_eq!(status, StatusCode::FORBIDDEN, "{name}: {said}");
        assert!(said.contains("only a call to localhost"), "{name}: {said}");
        // Another token is none, also on this machine.
        for (sent, expected) in [("0", StatusCode::UNAUTHORIZED), (token.trim(), StatusCode::OK)] {
            let url = format!("http://127.0.0.1:{port}/mine{for_eve}");
            let request = client().get(url).header("host", format!("{name}:{port}"));
            let request = request.header("authorization", format!("Bearer {sent}"));
            let status = request.send().await.expect("an answer").status();
            assert_eq!(status, expected, "{name}");
        }
    }
}
