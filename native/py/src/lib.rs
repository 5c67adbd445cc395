//! dialplane py
