//! Models of protocols, checked in every order of events.

mod growth;
mod sharing;
