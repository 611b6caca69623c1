/// Counts.
pub trait Counter: ::mux::__private::Send + ::mux::__private::Sync + 'static {
    fn add(
        &self,
        amount: u64,
    ) -> impl ::mux::__private::Future<Output = u64> + ::mux::__private::Send;
}
#[allow(dead_code)]
/// Calls [`Counter`], in another process or in this one.
///
/// Cheap to clone; clones share their connection.
pub struct CounterClient {
    stub: ::mux::__private::Stub<dyn __CounterLocal>,
}
#[allow(dead_code)]
impl CounterClient {
    /// Connects to a server: `unix:path`, `tcp://host:port`, `exec:program arguments`.
    ///
    /// # Errors
    ///
    /// The address is malformed, or nobody answers there.
    pub async fn connect(
        address: impl ::mux::__private::TryInto<
            ::mux::__private::Address,
            Error: ::mux::__private::Into<::mux::__private::ConnectError>,
        >,
    ) -> ::mux::__private::Result<Self, ::mux::__private::ConnectError> {
        ::mux::__private::Ok(Self {
            stub: ::mux::__private::Stub::Remote(
                ::mux::__private::connect(address).await?,
            ),
        })
    }
    /// Connects from a program without a runtime.
    ///
    /// # Errors
    ///
    /// The address is malformed, or nobody answers there.
    pub fn connect_blocking(
        address: impl ::mux::__private::TryInto<
            ::mux::__private::Address,
            Error: ::mux::__private::Into<::mux::__private::ConnectError>,
        >,
    ) -> ::mux::__private::Result<Self, ::mux::__private::ConnectError> {
        ::mux::__private::Ok(Self {
            stub: ::mux::__private::Stub::Remote(
                ::mux::__private::connect_blocking(address)?,
            ),
        })
    }
    /// Calls the other end of a connection.
    #[must_use]
    pub fn new(connection: &::mux::__private::Connection) -> Self {
        Self {
            stub: ::mux::__private::Stub::Remote(connection.mux()),
        }
    }
    /// Calls an implementation in this process; nothing is serialised.
    #[must_use]
    pub fn local(service: impl Counter) -> Self {
        Self {
            stub: ::mux::__private::Stub::Local(::mux::__private::Arc::new(service)),
        }
    }
}
#[allow(dead_code)]
impl CounterClient {
    /// Calls [`Counter::add`].
    pub fn add(&self, amount: u64) -> ::mux::__private::Call<u64> {
        match &self.stub {
            ::mux::__private::Stub::Remote(mux) => {
                ::mux::__private::transaction(
                    mux,
                    __CounterMethods::ADD,
                    &[
                        ::mux::__private::Evidence::argument(
                            __CounterMethods::__evidence0(),
                            &amount,
                        ),
                    ],
                    __CounterMethods::__evidence0(),
                )
            }
            ::mux::__private::Stub::Local(local) => {
                __CounterLocal::__local_add(
                    ::mux::__private::Clone::clone(local),
                    amount,
                )
            }
        }
    }
}
#[automatically_derived]
impl ::mux::__private::Clone for CounterClient {
    fn clone(&self) -> Self {
        Self {
            stub: ::mux::__private::Clone::clone(&self.stub),
        }
    }
}
#[automatically_derived]
impl ::mux::__private::fmt::Debug for CounterClient {
    fn fmt(
        &self,
        f: &mut ::mux::__private::fmt::Formatter<'_>,
    ) -> ::mux::__private::fmt::Result {
        f.debug_struct("CounterClient").finish_non_exhaustive()
    }
}
#[automatically_derived]
impl ::mux::__private::Client for CounterClient {
    fn from_mux(mux: ::mux::__private::Mux) -> Self {
        Self {
            stub: ::mux::__private::Stub::Remote(mux),
        }
    }
}
#[allow(dead_code)]
#[allow(clippy::too_many_arguments)]
trait __CounterLocal: ::mux::__private::Send + ::mux::__private::Sync + 'static {
    fn __local_add(
        self: ::mux::__private::Arc<Self>,
        amount: u64,
    ) -> ::mux::__private::Call<u64>;
}
#[allow(dead_code)]
impl<S: Counter> __CounterLocal for S {
    fn __local_add(
        self: ::mux::__private::Arc<Self>,
        amount: u64,
    ) -> ::mux::__private::Call<u64> {
        ::mux::__private::Call::local(
            __CounterMethods::ADD,
            ::mux::__private::None,
            async move { ::mux::__private::Ok(Counter::add(&*self, amount).await) },
        )
    }
}
#[allow(dead_code)]
/// Serves an implementation of [`Counter`].
pub struct CounterServer<S> {
    service: ::mux::__private::Arc<S>,
    inspect: ::mux::__private::Option<
        ::mux::__private::Box<
            dyn ::mux::__private::Fn(
                &CounterRequest<'_>,
            ) + ::mux::__private::Send + ::mux::__private::Sync,
        >,
    >,
}
#[automatically_derived]
impl<S> ::mux::__private::fmt::Debug for CounterServer<S> {
    fn fmt(
        &self,
        f: &mut ::mux::__private::fmt::Formatter<'_>,
    ) -> ::mux::__private::fmt::Result {
        f.debug_struct("CounterServer").finish_non_exhaustive()
    }
}
#[allow(dead_code)]
impl<S: Counter> CounterServer<S> {
    /// Serves `service`.
    #[must_use]
    pub fn new(service: S) -> Self {
        Self::from_arc(::mux::__private::Arc::new(service))
    }
    /// Serves an implementation that is shared with others.
    #[must_use]
    pub fn from_arc(service: ::mux::__private::Arc<S>) -> Self {
        Self {
            service,
            inspect: ::mux::__private::None,
        }
    }
    /// Shows each request to `inspect` before it runs.
    #[must_use]
    pub fn inspect(
        self,
        inspect: impl ::mux::__private::Fn(
            &CounterRequest<'_>,
        ) + ::mux::__private::Send + ::mux::__private::Sync + 'static,
    ) -> Self {
        Self {
            service: self.service,
            inspect: ::mux::__private::Some(::mux::__private::Box::new(inspect)),
        }
    }
}
#[allow(dead_code)]
impl<S: Counter> ::mux::__private::Service for CounterServer<S> {
    fn descriptor(&self) -> &'static ::mux::__private::ServiceDescriptor {
        &::mux::__private::ServiceDescriptor {
            name: "counter",
            docs: "Counts.",
            encoding: ::mux::__private::Encoding::Named,
            methods: &[__CounterMethods::ADD],
        }
    }
    fn serve(
        self: ::mux::__private::Arc<Self>,
        inbound: ::mux::__private::Inbound,
        slot: ::mux::__private::Slot<'_>,
    ) {
        let mut kept = (inbound, self);
        slot.run(
            &mut ::mux::__private::Some(async move {
                let kept = &mut kept;
                CounterRequest::__run_from(
                        ::mux::__private::once(move || {
                            let (inbound, server) = kept;
                            let (request, context) = inbound
                                .decode_owned(|name, args| CounterRequest::decode(
                                    name,
                                    args,
                                ))?;
                            if let ::mux::__private::Some(inspect) = &server.inspect {
                                inspect(&request);
                            }
                            ::mux::__private::Ok((request, &*server.service, context))
                        }),
                    )
                    .await
            }),
        );
    }
}
#[allow(dead_code)]
/// A request to an implementation of [`Counter`], decoded.
pub enum CounterRequest<'a> {
    /// Asks for [`Counter::add`].
    Add {
        /// The argument `amount`.
        amount: u64,
    },
    #[doc(hidden)]
    __Never(::mux::__private::PhantomData<&'a ()>, ::mux::__private::Infallible),
}
#[allow(dead_code)]
impl<'a> CounterRequest<'a> {
    /// Reads the arguments of `method`, named without its service.
    ///
    /// # Errors
    ///
    /// There is no such method, or `body` does not hold its arguments.
    #[allow(unused_mut, unreachable_code)]
    pub fn decode<'__body>(
        method: &str,
        body: impl ::mux::__private::Into<::mux::__private::Args<'__body>>,
    ) -> ::mux::__private::Result<Self, ::mux::__private::Refused> {
        let mut args = ::mux::__private::ArgsDecoder::new(body)?;
        let request = match method {
            "add" => {
                Self::Add {
                    amount: args.owned("amount", __CounterMethods::__evidence0())?,
                }
            }
            _ => {
                return ::mux::__private::Err(
                    ::mux::__private::Refused::unknown_method(method),
                );
            }
        };
        args.finish()?;
        ::mux::__private::Ok(request)
    }
    /// Runs it on `service`.
    pub fn run<'__run, S: Counter>(
        self,
        service: &'__run S,
        context: &'__run ::mux::__private::Context,
    ) -> impl ::mux::__private::Future<
        Output = ::mux::__private::Outcome,
    > + use<'__run, 'a, S> {
        Self::__run_from(
            ::mux::__private::once(move || ::mux::__private::Ok((
                self,
                service,
                context,
            ))),
        )
    }
    #[allow(irrefutable_let_patterns, unreachable_code)]
    fn __run_from<'__run, S: Counter, M>(
        mut make: ::mux::__private::Option<M>,
    ) -> impl ::mux::__private::Future<
        Output = ::mux::__private::Outcome,
    > + use<'__run, 'a, S, M>
    where
        M: ::mux::__private::FnOnce(
        ) -> ::mux::__private::Result<
                (Self, &'__run S, &'__run ::mux::__private::Context),
                ::mux::__private::Refused,
            >,
    {
        async move {
            let (request, service, context) = match ::mux::__private::made(&mut make)
                .await
            {
                ::mux::__private::Ok(made) => made,
                ::mux::__private::Err(refused) => {
                    return ::mux::__private::Into::into(refused);
                }
            };
            let _ = (service, context);
            match request {
                Self::Add { .. } => {
                    let Self::Add { amount } = ::mux::__private::identity(request) else {
                        ::mux::__private::unreachable!("it is of this variant")
                    };
                    ::mux::__private::Outcome::value(
                        &Counter::add(service, amount).await,
                        ::mux::__private::Encoding::Named,
                        __CounterMethods::__evidence0(),
                    )
                }
            }
        }
    }
    /// The method it asks for.
    #[must_use]
    pub fn method(&self) -> &'static ::mux::__private::MethodDescriptor {
        match self {
            Self::Add { .. } => __CounterMethods::ADD,
            Self::__Never(_, never) => match *never {}
        }
    }
}
#[automatically_derived]
impl<'a> ::mux::__private::fmt::Debug for CounterRequest<'a> {
    fn fmt(
        &self,
        f: &mut ::mux::__private::fmt::Formatter<'_>,
    ) -> ::mux::__private::fmt::Result {
        f.write_str(self.method().name)
    }
}
#[allow(dead_code)]
enum __CounterMethods {}
#[allow(dead_code)]
impl __CounterMethods {
    #[allow(non_upper_case_globals)]
    const __fingerprint: u64 = ::mux::__private::fingerprint(
        ::mux::__private::Encoding::Named,
        &[
            ::mux::__private::Shape {
                path: "counter.add",
                kind: ::mux::__private::Kind::Value,
                args: &["amount"],
            },
        ],
    );
    const ADD: &'static ::mux::__private::MethodDescriptor = &::mux::__private::MethodDescriptor {
        name: "add",
        path: "counter.add",
        docs: "",
        args: &[
            ::mux::__private::ArgDescriptor {
                name: "amount",
                ty: "u64",
            },
        ],
        returns: "u64",
        encoding: ::mux::__private::Encoding::Named,
        placement: ::mux::__private::Placement::Task,
        notify: false,
        detached: false,
        idempotent: false,
        fingerprint: Self::__fingerprint,
    };
}
#[allow(dead_code)]
impl __CounterMethods {
    fn __evidence0() -> impl ::mux::__private::Evidence<Value = u64> {
        ::mux::__private::travels::<u64, _>()
    }
}
