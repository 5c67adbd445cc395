//! `dialplane-parser-peers LIBRARY FILE index|typical|every [ROUNDS]`: nanoseconds per message, the least of many batches; with ROUNDS it only does
//! the work so often, for valgrind to count its instructions. `list` names the libraries.

use dialplane_parser_peers::{Level, PARSERS};
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

const BATCH: u32 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [library, file, level, rounds @ ..] = arguments.as_slice() else {
        PARSERS.iter().for_each(|parser| println!("{}", parser.name));
        return Ok(());
    };
    let work = PARSERS.iter().find(|parser| parser.name == *library).ok_or("no such library")?.work;
    let bytes = std::fs::read(file)?;
    let level = match *level {
        "index" => Level::Index,
        "typical" => Level::Typical,
        _ => Level::Every,
    };
    if !work(&bytes, level) {
        return Err(format!("{library} refuses {file}").into());
    }
    if let [rounds] = rounds {
        for _ in 0..rounds.parse()? {
            work(black_box(&bytes), level);
        }
        return Ok(());
    }
    let end = Instant::now() + Duration::from_millis(600);
    let mut least = f64::MAX;
    while Instant::now() < end {
        let start = Instant::now();
        for _ in 0..BATCH {
            work(black_box(&bytes), level);
        }
        least = least.min(start.elapsed().as_nanos() as f64 / f64::from(BATCH));
    }
    println!("{least:.1}");
    Ok(())
}
