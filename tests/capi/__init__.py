"""The C library: built, installed, and used by C programs as a user would."""
