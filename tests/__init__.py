"""Tests of the Python half, of the server against real software, and against hostile messages."""
