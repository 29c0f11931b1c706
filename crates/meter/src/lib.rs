//! A conversation with one meter, without IO: bytes and time in, events out.
#![no_std]
