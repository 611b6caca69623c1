//! What a service is, as data: made by the macro, read by the router and by reflection.

/// How structs travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As maps by field name: fields may be added, dropped and reordered.
    Named,
    /// As arrays: faster, and both ends must agree on the fields' order.
    Compact,
}

/// A service.
#[derive(Debug, PartialEq, Eq)]
pub struct ServiceDescriptor {
    /// The name on the wire.
    pub name: &'static str,
    /// The trait's documentation.
    pub docs: &'static str,
    /// How its structs travel.
    pub encoding: Encoding,
    /// Its methods, in the trait's order.
    pub methods: &'static [&'static MethodDescriptor],
}

/// A method of a service.
#[derive(Debug, PartialEq, Eq)]
pub struct MethodDescriptor {
    /// The name on the wire, without the service's.
    pub name: &'static str,
    /// `service.method`, as it travels.
    pub path: &'static str,
    /// The method's documentation.
    pub docs: &'static str,
    /// Its arguments, in order; those that travel.
    pub args: &'static [ArgDescriptor],
    /// Its return type, as written.
    pub returns: &'static str,
    /// How its structs travel.
    pub encoding: Encoding,
    /// Where it runs.
    pub placement: Placement,
    /// One way: nothing comes back.
    pub notify: bool,
    /// A cancel does not stop it.
    pub detached: bool,
    /// Running it twice is running it once.
    pub idempotent: bool,
}

/// An argument of a method.
#[derive(Debug, PartialEq, Eq)]
pub struct ArgDescriptor {
    /// Its name.
    pub name: &'static str,
    /// Its type, as written.
    pub ty: &'static str,
}

/// Where a method runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// On a task: `async fn`.
    Task,
    /// On a worker thread: `fn`, which may block.
    Worker,
    /// On the connection's own task, between two frames: for trivial getters.
    Inline,
}

impl ServiceDescriptor {
    /// A hash (FNV-1a, 64 bits) of names, arguments and return types: equal where two ends were
    /// built from the same trait.
    pub fn fingerprint(&self) -> u64 {
        let methods = self.methods.iter().flat_map(|method| {
            let args = method.args.iter().flat_map(|arg| [arg.name, arg.ty]);
            [method.path].into_iter().chain(args).chain([method.returns])
        });
        methods.fold(0xcbf2_9ce4_8422_2325, |hash, text| {
            let bytes = text.bytes().chain([0xff]);
            bytes.fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        })
    }
}
