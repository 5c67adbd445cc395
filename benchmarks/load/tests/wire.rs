//! The generator against pretended servers over real sockets: what is right counts as right, each fault is found.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// What a pretended server sends for a message: texts and where to.
type Answer = fn(&str, SocketAddr, SocketAddr, usize) -> Vec<(String, SocketAddr)>;

/// Runs the generator for 200 exchanges against `answer`; returns its counts by name.
fn run(workload: &[&str], answer: Answer) -> HashMap<String, u64> {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let address = server.local_addr().unwrap().to_string();
    // Ports that were free a moment ago.
    let free: Vec<UdpSocket> = (0..2).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let [uac, uas] = [free[0].local_addr().unwrap(), free[1].local_addr().unwrap()];
    drop(free);

    let done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&done);
    let worker = thread::spawn(move || {
        let mut room = [0; 4096];
        let mut seen = 0;
        while !stop.load(Ordering::Relaxed) {
            let Ok((length, source)) = server.recv_from(&mut room) else { continue };
            let text = String::from_utf8(room[..length].to_vec()).unwrap();
            for (message, to) in answer(&text, source, uas, seen) {
                server.send_to(message.as_bytes(), to).unwrap();
            }
            seen += 1;
        }
    });
    let output = Command::new(env!("CARGO_BIN_EXE_dialplane-load"))
        .args(workload)
        .args(["--server", &address, "--uac", &uac.to_string(), "--uas", &uas.to_string()])
        .args(["--count", "200", "--window", "32", "--users", "1000", "--idle", "sleep", "--patience", "1"])
        .output()
        .unwrap();
    done.store(true, Ordering::Relaxed);
    worker.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let result: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let counts = ["begun", "right", "wrong", "lost", "stray"];
    counts.map(|name| (name.to_owned(), result["measured"][name].as_u64().unwrap())).into()
}

fn counts(begun: u64, right: u64, wrong: u64, lost: u64, stray: u64) -> HashMap<String, u64> {
    let named = [("begun", begun), ("right", right), ("wrong", wrong), ("lost", lost), ("stray", stray)];
    named.map(|(name, count)| (name.to_owned(), count)).into()
}

/// A stateless proxy. The branch is that of the sender's Via with a letter in front.
fn proxy(text: &str, _: SocketAddr, uas: SocketAddr, _: usize) -> Vec<(String, SocketAddr)> {
    let (start, rest) = text.split_once("\r\n").unwrap();
    if start.starts_with("SIP/2.0") {
        let (_, below) = rest.split_once("\r\n").unwrap();
        let sent_by = below.split_once(' ').unwrap().1.split_once(' ').unwrap().1.split_once(';').unwrap().0;
        return vec![(format!("{start}\r\n{below}"), sent_by.parse().unwrap())];
    }
    let branch = text.split_once("branch=z9hG4bK").unwrap().1.split(['\r', ';']).next().unwrap();
    let text = format!("{start}\r\nVia: SIP/2.0/UDP 127.0.0.1:16060;branch=z9hG4bKs{branch}\r\n{rest}");
    let hops = if text.contains("Max-Forwards: 70") { 70 } else { 69 };
    let text = text.replace(&format!("Max-Forwards: {hops}"), &format!("Max-Forwards: {}", hops - 1));
    vec![(text, uas)]
}

/// A registrar that takes every binding.
fn registrar(text: &str, source: SocketAddr, _: SocketAddr, _: usize) -> Vec<(String, SocketAddr)> {
    let mut out = "SIP/2.0 200 OK\r\n".to_owned();
    for line in text.lines().take_while(|l| !l.is_empty()) {
        match line.split(':').next().unwrap() {
            "Via" | "From" | "Call-ID" | "CSeq" => out += &format!("{line}\r\n"),
            "To" => out += &format!("{line};tag=1\r\n"),
            "Contact" => out += &format!("{line};expires=600\r\n"),
            _ => (),
        }
    }
    vec![(out + "Content-Length: 0\r\n\r\n", source)]
}

#[test]
fn right_forward() {
    assert_eq!(run(&["forward"], proxy), counts(200, 200, 0, 0, 0));
}

#[test]
fn right_exchange() {
    assert_eq!(run(&["exchange"], proxy), counts(200, 200, 0, 0, 0));
}

#[test]
fn retransmissions_are_messages_of_their_own() {
    assert_eq!(run(&["forward", "--retransmit", "10"], proxy), counts(200, 220, 0, 0, 0));
}

#[test]
fn right_register() {
    assert_eq!(run(&["register"], registrar), counts(200, 200, 0, 0, 0));
}

#[test]
fn open_loop() {
    assert_eq!(run(&["forward", "--rate", "2000"], proxy), counts(200, 200, 0, 0, 0));
}

#[test]
fn one_changed_octet_in_ten_messages() {
    let answer: Answer = |text, source, uas, n| {
        let mut all = proxy(text, source, uas, n);
        if n % 10 == 3 {
            all[0].0 = all[0].0.replacen("a=rtpmap", "a=rtpmop", 1);
        }
        all
    };
    assert_eq!(run(&["forward"], answer), counts(200, 180, 20, 0, 0));
}

#[test]
fn one_message_in_twenty_is_dropped() {
    let answer: Answer = |text, source, uas, n| if n % 20 == 7 { vec![] } else { proxy(text, source, uas, n) };
    assert_eq!(run(&["forward"], answer), counts(200, 190, 0, 10, 0));
}

#[test]
fn one_message_in_twenty_comes_twice() {
    let answer: Answer = |text, source, uas, n| {
        let mut all = proxy(text, source, uas, n);
        if n % 20 == 7 {
            all.push(all[0].clone());
        }
        all
    };
    assert_eq!(run(&["forward"], answer), counts(200, 200, 0, 0, 10));
}

#[test]
fn no_via_of_the_servers() {
    let answer: Answer = |text, _, uas, _| vec![(text.to_owned(), uas)];
    assert_eq!(run(&["forward"], answer), counts(200, 0, 200, 0, 0));
    assert_eq!(run(&["forward", "--floor"], answer), counts(200, 200, 0, 0, 0));
}

#[test]
fn another_branch_for_the_retransmission() {
    let answer: Answer = |text, source, uas, n| {
        let mut all = proxy(text, source, uas, n);
        all[0].0 = all[0].0.replacen("z9hG4bKs", &format!("z9hG4bKs{n}"), 1);
        all
    };
    assert_eq!(run(&["forward", "--retransmit", "10"], answer), counts(200, 200, 20, 0, 0));
}

#[test]
fn a_registrar_that_forgets_the_contact() {
    let answer: Answer = |text, source, uas, n| {
        let mut all = registrar(text, source, uas, n);
        all[0].0 = all[0].0.replacen("Contact:", "X-Contact:", 1);
        all
    };
    assert_eq!(run(&["register"], answer), counts(200, 0, 200, 0, 0));
}
