//! What files consist of, read without any decoder and without taking memory: fields, chunks, directories.

pub(crate) mod chunk;
pub(crate) mod field;
pub(crate) mod tiff;
