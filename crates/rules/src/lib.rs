//! The rules of the house that a machine can check; the tests of this crate are its content.
//!
//! A crate of its own, because it is built in seconds and checked before anything else is.
#![forbid(unsafe_code)]
