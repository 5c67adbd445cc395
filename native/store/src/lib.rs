//! dialplane store
