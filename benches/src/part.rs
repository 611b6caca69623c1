//! What a process of a cell does: it serves, or it asks; and `count`, which does both.

use std::process;
use std::str::FromStr;
use std::time::Duration;

use crate::arguments::{parse, seconds, value};
use crate::asking::Asking;
use crate::child;
use crate::comparison::{Comparison, Contender};
use crate::processor::{self, Processor};
use crate::{Error, Result};

pub fn perform<C: Comparison>(words: Vec<String>) -> Result<()> {
    let mut words = Words(words.into_iter());
    match words.next::<String>("a command")?.as_str() {
        "count" => count::<C>(words),
        "serve" => serve::<C>(words),
        "ask" => ask::<C>(words),
        other => Err(format!("no command `{other}`; try --help").into()),
    }
}

/// `count PEER N [LEVEL]`
fn count<C: Comparison>(mut words: Words) -> Result<()> {
    let (peer, turns) = (words.peer::<C>()?, words.next("N")?);
    let level = words.last("LEVEL")?.unwrap_or(C::COUNTED);
    (peer.count)(level, turns)
}

/// `serve PEER ADDRESS LEVEL [PROCESSOR]`
fn serve<C: Comparison>(mut words: Words) -> Result<()> {
    let (peer, address, level) = (words.peer::<C>()?, words.next("ADDRESS")?, words.next("LEVEL")?);
    words.settle()?;
    (peer.serve)(address, level)
}

/// `ask PEER ADDRESS LEVEL WARM-UP SECONDS [PROCESSOR]`
fn ask<C: Comparison>(mut words: Words) -> Result<()> {
    let peer = words.peer::<C>()?;
    let asking = Asking {
        address: words.next("ADDRESS")?,
        level: words.next("LEVEL")?,
        warm_up: words.seconds("WARM-UP")?,
        measured: words.seconds("SECONDS")?,
    };
    words.settle()?;
    match (peer.ask)(asking) {
        Ok(sample) => println!("{sample}"),
        Err(error) => {
            // The parent tells it, where it tells of the cell.
            println!("{error}");
            process::exit(1);
        }
    }
    Ok(())
}

struct Words(std::vec::IntoIter<String>);

impl Words {
    fn next<T: FromStr<Err: Into<Error>>>(&mut self, what: &str) -> Result<T> {
        value(&mut self.0, what)
    }

    fn last<T: FromStr<Err: Into<Error>>>(&mut self, what: &str) -> Result<Option<T>> {
        self.0.next().map(|word| parse(&word, what)).transpose()
    }

    fn seconds(&mut self, what: &str) -> Result<Duration> {
        seconds(&self.next::<String>(what)?, what)
    }

    fn peer<C: Comparison>(&mut self) -> Result<&'static Contender<C>> {
        Contender::named(&self.next::<String>("PEER")?)
    }

    /// Stays where it is told, and as long as its parent.
    fn settle(mut self) -> Result<()> {
        let processor: Option<Processor> = self.last("PROCESSOR")?;
        processor::pin(processor)?;
        child::end_with_parent();
        Ok(())
    }
}
