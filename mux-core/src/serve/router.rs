//! From the name that travels to the service that has its handler.

use crate::api::error::{Refusal, Refused};
use crate::client::untyped::{UNTYPED, UNTYPED_NOTIFY};
use crate::serve::route::Route;
use crate::serve::service::Service;
use mux_proto::wire::frame::MethodPath;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Finds a method's service by the name that travels.
#[derive(Default)]
pub(crate) struct Router {
    services: Vec<Arc<dyn Service>>,
    routes: HashMap<&'static [u8], Route, BuildHasherDefault<PathHasher>>,
    /// What HELLO tells of the services: their names and fingerprints.
    fingerprints: Vec<(String, u64)>,
    /// Their names, as a text for those who ask for another.
    served: String,
    /// The last of the services answers what none of the others has.
    has_demux: bool,
}

impl Router {
    /// Of services with different names, and one for all that they do not have.
    pub(crate) fn new(mut services: Vec<Arc<dyn Service>>, demux: Option<Arc<dyn Service>>) -> Router {
        let mut routes = HashMap::default();
        for (index, service) in services.iter().enumerate() {
            for method in service.descriptor().methods {
                routes.insert(method.path.as_bytes(), Route { service: index, method });
            }
        }
        let descriptors = services.iter().map(|service| service.descriptor());
        let fingerprints: Vec<(String, u64)> =
            descriptors.map(|descriptor| (descriptor.name.to_owned(), descriptor.fingerprint())).collect();
        let served = served(&fingerprints);
        let has_demux = demux.is_some();
        services.extend(demux);
        Router { services, routes, fingerprints, served, has_demux }
    }

    pub(crate) fn fingerprints(&self) -> Vec<(String, u64)> {
        self.fingerprints.clone()
    }

    /// The route of a call that wants an answer, or not.
    #[inline]
    pub(crate) fn route(&self, path: MethodPath<'_>, notify: bool) -> Result<Route, Refused> {
        match self.routes.get(path.as_bytes()) {
            Some(route) if route.method.notify == notify => Ok(*route),
            Some(_) if notify => Err(self.unknown(path, "it answers, and was called as a notify")),
            Some(_) => Err(self.unknown(path, "it is a notify, and was called for an answer")),
            None if self.has_demux => {
                let method = if notify { &UNTYPED_NOTIFY } else { &UNTYPED };
                Ok(Route { service: self.services.len() - 1, method })
            }
            None => Err(self.unknown(path, "the services here have none of that name")),
        }
    }

    #[inline]
    pub(crate) fn service(&self, route: Route) -> Arc<dyn Service> {
        Arc::clone(&self.services[route.service])
    }

    fn unknown(&self, path: MethodPath<'_>, why: &str) -> Refused {
        let served = &self.served;
        Refused::new(
            Refusal::UnknownMethod,
            format!("unknown method `{path}`: {why} (served here: {served})"),
        )
    }
}

/// Hashes a path eight bytes at a time. Peers may look up what they like, and add nothing: at worst they
/// look through our own methods.
#[derive(Default)]
struct PathHasher(u64);

impl Hasher for PathHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            self.mix(rest.iter().fold(1, |word, &byte| word << 8 | u64::from(byte)));
        }
    }

    // The length tells little here: paths are hashed alone.
    #[inline]
    fn write_usize(&mut self, _: usize) {}
}

impl PathHasher {
    // As xids are hashed: a multiplication by 2^64 over the golden ratio (Knuth, TAOCP 6.4).
    #[inline]
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26);
    }
}

fn served(services: &[(String, u64)]) -> String {
    let mut names: Vec<_> = services.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
