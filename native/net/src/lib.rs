//! dialplane net
