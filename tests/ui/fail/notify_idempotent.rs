#[mux::service]
pub trait Shop {
    #[mux(notify, idempotent)]
    async fn log(&self, line: String);
}

fn main() {}
