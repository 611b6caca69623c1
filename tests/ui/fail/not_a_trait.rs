#[mux::service]
pub struct Shop;

fn main() {
    let _ = Shop;
}
