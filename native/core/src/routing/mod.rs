//! The routing table: which rule decides what happens to a request, and which target it goes to. RFC 3261 §16.5.
//!
//! A [`RouteTable`] is compiled from the configuration, never changed, and swapped whole.
//!
//! # Which rule decides
//!
//! A rule **holds** for a request when each of its conditions does; a condition that is empty or left out holds always, one
//! with several values when any of them fits. Rules that do not hold play no part at all.
//!
//! 1. Of the rules that hold, the **first in the file** decides.
//! 2. Except among rules with `prefixes`: of those that stand above the first holding rule without `prefixes`, the one
//!    with the **longest** matching prefix decides; if two have the same, the upper one.
//!
//! So a rule without `prefixes` is a wall: no rule below it can take a request that it holds for, however long its prefix
//! (a `drop` for a source at the top of the file drops), and rules with prefixes above it may stand in any order (a
//! `forward` at the bottom gets what no prefix took). A rule that does not hold is no wall: putting in a rule for MESSAGE changes
//! nothing for INVITE.
//!
//! 3. Regular expressions (`uri`) are conditions like the others, looked at last: only when all other conditions of the
//!    rule hold and no rule above has decided. They change the order of nothing.
//!
//! When no rule holds there is no decision; what happens then is not the table's business.
//!
//! | condition | compared with | how |
//! |---|---|---|
//! | `methods` | method | exactly (RFC 3261 §7.1). ACK and CANCEL are looked up as INVITE, so that they go the way of their INVITE (§16.11); so no rule can name them |
//! | `domains` | host of the request URI | without case (§19.1.4), addresses by value; never holds for a tel URI |
//! | `users` | user part of the request URI | with case, escapes undone on both sides (§19.1.4) |
//! | `sources` | address that the request came from | address or network; IPv4 within IPv6 is IPv4 |
//! | `prefixes` | number in the request URI | symbol by symbol after visual separators and parameters are left out (RFC 3966 §5.1.1): `+49` and `49` are different, `+` fits every global number |
//! | `uri` | whole request URI as received | regular expression, found anywhere unless anchored |
//!
//! # Cost
//!
//! A decision looks each value up once and then meets five bit sets, 256 rules at a time; nothing a peer sends makes it
//! longer than that, but for the expressions that are reached, each linear in the length of the URI.

mod build;
mod condition;
mod explain;
mod index;
mod key;
mod number;
mod patterns;
mod prefix;
pub mod probe;
mod problems;
mod rule;
mod sets;
mod table;
pub mod target;
mod texts;

pub use build::{MAX_RULES, NumberTables};
pub use explain::{Condition, Explanation, Outcome, Step};
pub use key::RouteKey;
pub use number::{MAX_SYMBOLS, Number, Rewrite};
pub use rule::{Action, ForwardTo, Mode, NamedTable, RedirectTo, Rule};
pub use table::RouteTable;
pub use target::{TargetId, TargetSetId};

#[cfg(test)]
mod tests;
