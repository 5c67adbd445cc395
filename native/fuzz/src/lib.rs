//! What the fuzz targets do with their octets. Each body is an ordinary function, so that it builds with the rest and runs over the seeds as a test.
//!
//! A target is one line in `fuzz_targets/`, which calls a body here. `seeds.sh` fills `corpus/`; `sip.dict` is for `-dict=`.

pub mod engine;
pub mod net;
pub mod syntax;
pub mod transaction;
