#[mux::service]
pub trait Shop {
    #[mux(notify)]
    async fn log(&self, line: String) -> u8;
}

fn main() {}
