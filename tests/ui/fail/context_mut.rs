use mux::Context;

#[mux::service]
pub trait Shop {
    async fn who(&self, #[mux(context)] cx: &mut Context);
}

fn main() {}
