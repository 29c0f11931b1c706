//! Captured bytes: how people write them down, and our own capture lines.
