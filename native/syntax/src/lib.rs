//! SIP syntax.
