//! Transactions: those this end made, and those it owes an answer.

pub mod outgoing;
pub mod serving;
