use mux::Context;

#[mux::service]
pub trait Shop {
    async fn who(&self, #[mux(context, default)] cx: &Context);
}

fn main() {}
