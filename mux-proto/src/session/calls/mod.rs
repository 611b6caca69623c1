//! Transactions: those this end made, and those it owes an answer.

mod notifies;
pub mod outgoing;
mod rows;
pub mod serving;
