/// Counts.
pub trait Counter {
    async fn add(&self, amount: u64) -> u64;
}
