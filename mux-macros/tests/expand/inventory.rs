/// What is in stock.
pub trait Inventory {
    /// Units on hand.
    async fn stock(&self, sku: &str) -> u32;
    async fn take(&self, sku: &str, units: u32) -> Result<u32, Shortage>;
    fn checksum(&self, blob: &[u8]) -> u64;
    #[mux(notify)]
    async fn log(&self, line: String);
    async fn watch(&self, prefix: String) -> impl Stream<Item = Change>;
    async fn audit(&self, sku: &str) -> Result<impl Stream<Item = Result<Change, Rotten>>, Shortage>;
    async fn load(&self, rows: Receiver<Row>) -> u64;
    async fn who(&self, #[mux(context)] cx: &Context) -> String;
}
