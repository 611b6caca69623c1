//! Provided methods, async and plain, and supertraits.

#![deny(warnings)]

use std::fmt::Display;

#[mux::service]
pub trait Sums: Display + Send {
    async fn add(&self, a: u64, b: u64) -> u64 {
        a + b
    }

    async fn total(&self, mut list: Vec<u64>, by: &u64) -> Result<u64, String> {
        if list.is_empty() {
            return Err("empty".to_owned());
        }
        let last = list.pop().ok_or("empty")?;
        let mut total = last;
        for item in list {
            total = self.add(total, item).await;
        }
        Ok(total * by)
    }

    fn twice(&self, mut n: u64) -> u64 {
        n *= 2;
        n
    }

    async fn name(&self, #[mux(context)] _cx: &mux::Context) -> String {
        self.to_string()
    }
}

struct Plain;

impl Display for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("plain")
    }
}

impl Sums for Plain {}

fn main() {
    let client = SumsClient::local(Plain);
    assert_eq!(client.total(vec![1, 2, 3], &2).wait().unwrap(), 12);
    assert!(client.total(vec![], &2).wait().is_err());
    assert_eq!(client.twice(4).wait().unwrap(), 8);
    assert_eq!(client.name().wait().unwrap(), "plain");
}
