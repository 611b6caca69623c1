//! What a crate of services costs to build with mux, and with tarpc: `mux-bench build`.

mod counts;
mod fixture;
mod report;
mod services;
mod time;
mod workshop;

use std::fmt::Display;
use std::path::PathBuf;

use crate::Result;
use crate::arguments::parse;
use counts::Counts;
use fixture::{Edit, Fixture, Size};
use report::Report;
use services::Framework;
use time::Times;
use workshop::{Profile, Workshop};

pub const NAME: &str = "build";

pub fn run(arguments: impl Iterator<Item = String>) -> Result<()> {
    let plan = Plan::from_arguments(arguments)?;
    let workshops =
        plan.peers.iter().map(|&framework| plan.workshop(framework)).collect::<Result<Vec<_>>>()?;
    let report =
        Report { size: plan.size, counts: counts(&plan, &workshops)?, times: times(&plan, &workshops)? };
    print!("{}", report.markdown());
    if let Some(path) = &plan.json {
        std::fs::write(path, report.json())?;
    }
    Ok(())
}

struct Plan {
    rounds: usize,
    peers: Vec<Framework>,
    profiles: Vec<Profile>,
    size: Size,
    json: Option<PathBuf>,
    directory: PathBuf,
}

impl Plan {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let directory = std::env::temp_dir().join("mux-bench-build");
        let mut plan = Self {
            rounds: 5,
            peers: Framework::ALL.to_vec(),
            profiles: Profile::ALL.to_vec(),
            size: Size { services: 20, methods: 20 },
            json: None,
            directory,
        };
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option}: a value is missing"))?;
            match option.as_str() {
                "--rounds" => plan.rounds = parse(&value, &option)?,
                "--peers" => plan.peers = named(&Framework::ALL, &value)?,
                "--profiles" => plan.profiles = named(&Profile::ALL, &value)?,
                "--services" => plan.size.services = parse(&value, &option)?,
                "--methods" => plan.size.methods = parse(&value, &option)?,
                "--json" => plan.json = Some(value.into()),
                "--directory" => plan.directory = value.into(),
                _ => return Err(format!("no option `{option}`; try --help").into()),
            }
        }
        Ok(plan)
    }

    fn workshop(&self, framework: Framework) -> Result<Workshop> {
        Workshop::open(Fixture { framework, size: self.size }, &self.directory)
    }
}

/// Those of `all` whose names are in a list with commas.
fn named<T: Copy + Display>(all: &[T], names: &str) -> Result<Vec<T>> {
    let find = |name| all.iter().find(|one| one.to_string() == name).copied();
    names.split(',').map(|name| find(name).ok_or_else(|| format!("no `{name}` here").into())).collect()
}

fn counts(plan: &Plan, workshops: &[Workshop]) -> Result<Vec<(Framework, Counts)>> {
    let one_method = Size { methods: 1, ..plan.size };
    let count = |workshop: &Workshop| {
        let framework = workshop.fixture.framework;
        eprintln!("counting {framework}");
        let small = workshop.of_size(one_method);
        Ok((framework, Counts::between(&small, workshop)?))
    };
    workshops.iter().map(count).collect()
}

/// Framework beside framework, so that both meet the same weather; each round another begins.
fn times(plan: &Plan, workshops: &[Workshop]) -> Result<Vec<Times>> {
    let mut times = Vec::new();
    for workshop in workshops {
        plan.profiles.iter().try_for_each(|&profile| workshop.warm_up(profile))?;
    }
    for round in 0..plan.rounds {
        for &profile in &plan.profiles {
            for nth in 0..workshops.len() {
                let workshop = &workshops[(round + nth) % workshops.len()];
                let taken = time_all(workshop, profile, round)?;
                eprintln!("round {} of {}: {taken}", round + 1, plan.rounds);
                times.push(taken);
            }
        }
    }
    Ok(times)
}

fn time_all(workshop: &Workshop, profile: Profile, round: usize) -> Result<Times> {
    workshop.clean(profile, Edit { round, method_more: false })?;
    let clean = workshop.build(profile)?;
    // No two rounds have the same bodies, so that nothing comes out of what was kept.
    workshop.edit(Edit { round: round + 1000, method_more: false })?;
    let body = workshop.build(profile)?;
    workshop.edit(Edit { round: round + 1000, method_more: true })?;
    let method = workshop.build(profile)?;
    Ok(Times { framework: workshop.fixture.framework, profile, taken: [clean, body, method] })
}
