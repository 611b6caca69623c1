#[mux::service]
pub trait Shop {
    async fn who(&self, #[mux(context)] cx: &u8);
}

fn main() {}
