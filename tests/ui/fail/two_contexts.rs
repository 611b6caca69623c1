use mux::Context;

#[mux::service]
pub trait Shop {
    async fn who(&self, #[mux(context)] a: &Context, #[mux(context)] b: &Context);
}

fn main() {}
