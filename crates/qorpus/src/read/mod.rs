//! TODO read

pub(crate) mod authorizer;
pub(crate) mod corpus;
pub(crate) mod parameters;
pub(crate) mod present;
pub(crate) mod sql;
pub(crate) mod sql_error;
pub(crate) mod sql_functions;
pub(crate) mod unitary_parts;
