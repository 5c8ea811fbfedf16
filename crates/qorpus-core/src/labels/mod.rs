//! Labels: what people say about their records, kept as named columns of integers, reals or texts.

pub(crate) mod builder;
pub(crate) mod name;
pub(crate) mod value;
