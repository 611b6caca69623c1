/// What is in stock.
pub trait Inventory: ::mux::__private::Send + ::mux::__private::Sync + 'static {
    /// Units on hand.
    fn stock(
        &self,
        sku: &str,
    ) -> impl ::mux::__private::Future<Output = u32> + ::mux::__private::Send;
    fn take(
        &self,
        sku: &str,
        units: u32,
    ) -> impl ::mux::__private::Future<
        Output = Result<u32, Shortage>,
    > + ::mux::__private::Send;
    fn checksum(&self, blob: &[u8]) -> u64;
    fn log(
        &self,
        line: String,
    ) -> impl ::mux::__private::Future<Output = ()> + ::mux::__private::Send;
    fn watch(
        &self,
        prefix: String,
    ) -> impl ::mux::__private::Future<
        Output = impl Stream<Item = Change> + ::mux::__private::Send,
    > + ::mux::__private::Send;
    fn audit(
        &self,
        sku: &str,
    ) -> impl ::mux::__private::Future<
        Output = Result<
            impl Stream<Item = Result<Change, Rotten>> + ::mux::__private::Send,
            Shortage,
        >,
    > + ::mux::__private::Send;
    fn load(
        &self,
        rows: Receiver<Row>,
    ) -> impl ::mux::__private::Future<Output = u64> + ::mux::__private::Send;
    fn who(
        &self,
        cx: &Context,
    ) -> impl ::mux::__private::Future<Output = String> + ::mux::__private::Send;
}
#[allow(dead_code)]
/// Calls [`Inventory`], in another process or in this one.
///
/// Cheap to clone; clones share their connection.
pub struct InventoryClient {
    stub: ::mux::__private::Stub<dyn __InventoryLocal>,
}
#[allow(dead_code)]
impl InventoryClient {
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
    pub fn local(service: impl Inventory) -> Self {
        Self {
            stub: ::mux::__private::Stub::Local(::mux::__private::Arc::new(service)),
        }
    }
}
#[allow(dead_code)]
impl InventoryClient {
    /// Units on hand.
    pub fn stock(&self, sku: &str) -> ::mux::__private::Call<u32> {
        match &self.stub {
            ::mux::__private::Stub::Remote(mux) => {
                ::mux::__private::transaction(
                    mux,
                    __InventoryMethods::STOCK,
                    &[&sku],
                    __InventoryMethods::__evidence0(),
                )
            }
            ::mux::__private::Stub::Local(local) => {
                __InventoryLocal::__local_stock(
                    ::mux::__private::Clone::clone(local),
                    ::mux::__private::ToOwned::to_owned(sku),
                )
            }
        }
    }
    /// Calls [`Inventory::take`].
    pub fn take(&self, sku: &str, units: u32) -> ::mux::__private::Call<u32, Shortage> {
        match &self.stub {
            ::mux::__private::Stub::Remote(mux) => {
                ::mux::__private::transaction_result(
                    mux,
                    __InventoryMethods::TAKE,
                    &[
                        &sku,
                        ::mux::__private::Evidence::argument(
                            __InventoryMethods::__evidence0(),
                            &units,
                        ),
                    ],
                    __InventoryMethods::__evidence0(),
                    __InventoryMethods::__evidence1(),
                )
            }
            ::mux::__private::Stub::Local(local) => {
                __InventoryLocal::__local_take(
                    ::mux::__private::Clone::clone(local),
                    ::mux::__private::ToOwned::to_owned(sku),
                    units,
                )
            }
        }
    }
    /// Calls [`Inventory::checksum`].
    pub fn checksum(&self, blob: &[u8]) -> ::mux::__private::Call<u64> {
        match &self.stub {
            ::mux::__private::Stub::Remote(mux) => {
                ::mux::__private::transaction(
                    mux,
                    __InventoryMethods::CHECKSUM,
                    &[&::mux::__private::AsBytes(blob)],
                    __InventoryMethods::__evidence2(),
                )
            }
            ::mux::__private::Stub::Local(local) => {
                __InventoryLocal::__local_checksum(
                    ::mux::__private::Clone::clone(local),
                    ::mux::__private::ToOwned::to_owned(blob),
                )
            }
        }
    }
    /// Calls [`Inventory::log`].
    pub fn log(&self, line: String) -> ::mux::__private::Call<()> {
        match &self.stub {
            ::mux::__private::Stub::Remote(mux) => {
                ::mux::__private::transaction(
                    mux,
                    __InventoryMethods::LOG,
                    &[
                        ::mux::__private::Evidence::argument(
                            __InventoryMethods::__evidence4(),
                            &line,
                        ),
                    ],
                    __InventoryMethods::__evidence3(),
                )
            }
            ::mux::__private::Stub::Local(local) => {
                __InventoryLocal::__local_log(
                    ::mux::__private::Clone::clone(local),
                    line,
                )
            }
        }
    }
    /// Calls [`Inventory::watch`].
    pub fn watch(
        &self,
        prefix: String,
    ) -> ::mux::__private::Call<::mux::__private::Receiver<Change>> {
        match &self.stub {
            ::mux::__private::Stub::Remote(mux) => {
                ::mux::__private::transaction(
                    mux,
                    __InventoryMethods::WATCH,
                    &[
                        ::mux::__private::Evidence::argument(
                            __InventoryMethods::__evidence4(),
                            &prefix,
                        ),
                    ],
                    ::mux::__private::receiver_of(__InventoryMethods::__evidence5()),
                )
            }
            ::mux::__private::Stub::Local(local) => {
                __InventoryLocal::__local_watch(
                    ::mux::__private::Clone::clone(local),
                    prefix,
                )
            }
        }
    }
    /// Calls [`Inventory::audit`].
    pub fn audit(
        &self,
        sku: &str,
    ) -> ::mux::__private::Call<::mux::__private::Receiver<Change, Rotten>, Shortage> {
        match &self.stub {
            ::mux::__private::Stub::Remote(mux) => {
                ::mux::__private::transaction_result(
                    mux,
                    __InventoryMethods::AUDIT,
                    &[&sku],
                    ::mux::__private::failing_receiver_of(
                        __InventoryMethods::__evidence5(),
                        __InventoryMethods::__evidence6(),
                    ),
                    __InventoryMethods::__evidence1(),
                )
            }
            ::mux::__private::Stub::Local(local) => {
                __InventoryLocal::__local_audit(
                    ::mux::__private::Clone::clone(local),
                    ::mux::__private::ToOwned::to_owned(sku),
                )
            }
        }
    }
    /// Calls [`Inventory::load`].
    pub fn load(&self, rows: Receiver<Row>) -> ::mux::__private::Call<u64> {
        match &self.stub {
            ::mux::__private::Stub::Remote(mux) => {
                ::mux::__private::transaction(
                    mux,
                    __InventoryMethods::LOAD,
                    &[
                        ::mux::__private::Evidence::argument(
                            __InventoryMethods::__evidence7(),
                            &rows,
                        ),
                    ],
                    __InventoryMethods::__evidence2(),
                )
            }
            ::mux::__private::Stub::Local(local) => {
                __InventoryLocal::__local_load(
                    ::mux::__private::Clone::clone(local),
                    rows,
                )
            }
        }
    }
    /// Calls [`Inventory::who`].
    pub fn who(&self) -> ::mux::__private::Call<String> {
        match &self.stub {
            ::mux::__private::Stub::Remote(mux) => {
                ::mux::__private::transaction(
                    mux,
                    __InventoryMethods::WHO,
                    &[],
                    __InventoryMethods::__evidence4(),
                )
            }
            ::mux::__private::Stub::Local(local) => {
                __InventoryLocal::__local_who(::mux::__private::Clone::clone(local))
            }
        }
    }
}
#[automatically_derived]
impl ::mux::__private::Clone for InventoryClient {
    fn clone(&self) -> Self {
        Self {
            stub: ::mux::__private::Clone::clone(&self.stub),
        }
    }
}
#[automatically_derived]
impl ::mux::__private::fmt::Debug for InventoryClient {
    fn fmt(
        &self,
        f: &mut ::mux::__private::fmt::Formatter<'_>,
    ) -> ::mux::__private::fmt::Result {
        f.debug_struct("InventoryClient").finish_non_exhaustive()
    }
}
#[automatically_derived]
impl ::mux::__private::Client for InventoryClient {
    fn from_mux(mux: ::mux::__private::Mux) -> Self {
        Self {
            stub: ::mux::__private::Stub::Remote(mux),
        }
    }
}
#[allow(dead_code)]
#[allow(clippy::too_many_arguments)]
trait __InventoryLocal: ::mux::__private::Send + ::mux::__private::Sync + 'static {
    fn __local_stock(
        self: ::mux::__private::Arc<Self>,
        sku: ::mux::__private::String,
    ) -> ::mux::__private::Call<u32>;
    fn __local_take(
        self: ::mux::__private::Arc<Self>,
        sku: ::mux::__private::String,
        units: u32,
    ) -> ::mux::__private::Call<u32, Shortage>;
    fn __local_checksum(
        self: ::mux::__private::Arc<Self>,
        blob: ::mux::__private::Vec<u8>,
    ) -> ::mux::__private::Call<u64>;
    fn __local_log(
        self: ::mux::__private::Arc<Self>,
        line: String,
    ) -> ::mux::__private::Call<()>;
    fn __local_watch(
        self: ::mux::__private::Arc<Self>,
        prefix: String,
    ) -> ::mux::__private::Call<::mux::__private::Receiver<Change>>;
    fn __local_audit(
        self: ::mux::__private::Arc<Self>,
        sku: ::mux::__private::String,
    ) -> ::mux::__private::Call<::mux::__private::Receiver<Change, Rotten>, Shortage>;
    fn __local_load(
        self: ::mux::__private::Arc<Self>,
        rows: Receiver<Row>,
    ) -> ::mux::__private::Call<u64>;
    fn __local_who(self: ::mux::__private::Arc<Self>) -> ::mux::__private::Call<String>;
}
#[allow(dead_code)]
impl<S: Inventory> __InventoryLocal for S {
    fn __local_stock(
        self: ::mux::__private::Arc<Self>,
        sku: ::mux::__private::String,
    ) -> ::mux::__private::Call<u32> {
        ::mux::__private::Call::local(
            __InventoryMethods::STOCK,
            ::mux::__private::None,
            async move {
                ::mux::__private::Ok(
                    Inventory::stock(&*self, ::mux::__private::Borrow::borrow(&sku))
                        .await,
                )
            },
        )
    }
    fn __local_take(
        self: ::mux::__private::Arc<Self>,
        sku: ::mux::__private::String,
        units: u32,
    ) -> ::mux::__private::Call<u32, Shortage> {
        ::mux::__private::Call::local(
            __InventoryMethods::TAKE,
            ::mux::__private::None,
            async move {
                ::mux::__private::local_result(
                    Inventory::take(
                            &*self,
                            ::mux::__private::Borrow::borrow(&sku),
                            units,
                        )
                        .await,
                    __InventoryMethods::__evidence1(),
                )
            },
        )
    }
    fn __local_checksum(
        self: ::mux::__private::Arc<Self>,
        blob: ::mux::__private::Vec<u8>,
    ) -> ::mux::__private::Call<u64> {
        ::mux::__private::Call::local_blocking(
            __InventoryMethods::CHECKSUM,
            ::mux::__private::None,
            move || {
                ::mux::__private::Ok(
                    Inventory::checksum(&*self, ::mux::__private::Borrow::borrow(&blob)),
                )
            },
        )
    }
    fn __local_log(
        self: ::mux::__private::Arc<Self>,
        line: String,
    ) -> ::mux::__private::Call<()> {
        ::mux::__private::Call::local(
            __InventoryMethods::LOG,
            ::mux::__private::None,
            async move {
                Inventory::log(&*self, line).await;
                ::mux::__private::Ok(())
            },
        )
    }
    fn __local_watch(
        self: ::mux::__private::Arc<Self>,
        prefix: String,
    ) -> ::mux::__private::Call<::mux::__private::Receiver<Change>> {
        ::mux::__private::local_stream(
            __InventoryMethods::WATCH,
            ::mux::__private::None,
            move |opening| async move {
                opening
                    .stream(
                        ::mux::__private::plain(
                            Inventory::watch(&*self, prefix).await,
                            __InventoryMethods::__evidence5(),
                        ),
                    )
                    .await
            },
        )
    }
    fn __local_audit(
        self: ::mux::__private::Arc<Self>,
        sku: ::mux::__private::String,
    ) -> ::mux::__private::Call<::mux::__private::Receiver<Change, Rotten>, Shortage> {
        ::mux::__private::local_stream(
            __InventoryMethods::AUDIT,
            ::mux::__private::None,
            move |opening| async move {
                opening
                    .stream_result(
                        ::mux::__private::Result::map(
                            Inventory::audit(
                                    &*self,
                                    ::mux::__private::Borrow::borrow(&sku),
                                )
                                .await,
                            |stream| ::mux::__private::failing(
                                stream,
                                __InventoryMethods::__evidence5(),
                                __InventoryMethods::__evidence6(),
                            ),
                        ),
                        __InventoryMethods::__evidence1(),
                    )
                    .await
            },
        )
    }
    fn __local_load(
        self: ::mux::__private::Arc<Self>,
        rows: Receiver<Row>,
    ) -> ::mux::__private::Call<u64> {
        ::mux::__private::Call::local(
            __InventoryMethods::LOAD,
            ::mux::__private::None,
            async move { ::mux::__private::Ok(Inventory::load(&*self, rows).await) },
        )
    }
    fn __local_who(self: ::mux::__private::Arc<Self>) -> ::mux::__private::Call<String> {
        let context = ::mux::__private::Context::local(__InventoryMethods::WHO);
        ::mux::__private::Call::local(
            __InventoryMethods::WHO,
            ::mux::__private::Some(::mux::__private::Clone::clone(&context)),
            async move {
                let context = &context;
                ::mux::__private::Ok(Inventory::who(&*self, context).await)
            },
        )
    }
}
#[allow(dead_code)]
/// Serves an implementation of [`Inventory`].
pub struct InventoryServer<S> {
    service: ::mux::__private::Arc<S>,
    inspect: ::mux::__private::Option<
        ::mux::__private::Box<
            dyn ::mux::__private::Fn(
                &InventoryRequest<'_>,
            ) + ::mux::__private::Send + ::mux::__private::Sync,
        >,
    >,
}
#[automatically_derived]
impl<S> ::mux::__private::fmt::Debug for InventoryServer<S> {
    fn fmt(
        &self,
        f: &mut ::mux::__private::fmt::Formatter<'_>,
    ) -> ::mux::__private::fmt::Result {
        f.debug_struct("InventoryServer").finish_non_exhaustive()
    }
}
#[allow(dead_code)]
impl<S: Inventory> InventoryServer<S> {
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
            &InventoryRequest<'_>,
        ) + ::mux::__private::Send + ::mux::__private::Sync + 'static,
    ) -> Self {
        Self {
            service: self.service,
            inspect: ::mux::__private::Some(::mux::__private::Box::new(inspect)),
        }
    }
}
#[allow(dead_code)]
impl<S: Inventory> ::mux::__private::Service for InventoryServer<S> {
    fn descriptor(&self) -> &'static ::mux::__private::ServiceDescriptor {
        &::mux::__private::ServiceDescriptor {
            name: "inventory",
            docs: "What is in stock.",
            encoding: ::mux::__private::Encoding::Named,
            methods: &[
                __InventoryMethods::STOCK,
                __InventoryMethods::TAKE,
                __InventoryMethods::CHECKSUM,
                __InventoryMethods::LOG,
                __InventoryMethods::WATCH,
                __InventoryMethods::AUDIT,
                __InventoryMethods::LOAD,
                __InventoryMethods::WHO,
            ],
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
                InventoryRequest::__run_from(
                        ::mux::__private::once(move || {
                            let (inbound, server) = kept;
                            let (request, context) = inbound
                                .decode(|name, args| InventoryRequest::decode(name, args))?;
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
/// A request to an implementation of [`Inventory`], decoded.
pub enum InventoryRequest<'a> {
    /// Asks for [`Inventory::stock`].
    Stock {
        /// The argument `sku`.
        sku: &'a str,
    },
    /// Asks for [`Inventory::take`].
    Take {
        /// The argument `sku`.
        sku: &'a str,
        /// The argument `units`.
        units: u32,
    },
    /// Asks for [`Inventory::checksum`].
    Checksum {
        /// The argument `blob`.
        blob: &'a [u8],
    },
    /// Asks for [`Inventory::log`].
    Log {
        /// The argument `line`.
        line: String,
    },
    /// Asks for [`Inventory::watch`].
    Watch {
        /// The argument `prefix`.
        prefix: String,
    },
    /// Asks for [`Inventory::audit`].
    Audit {
        /// The argument `sku`.
        sku: &'a str,
    },
    /// Asks for [`Inventory::load`].
    Load {
        /// The argument `rows`.
        rows: Receiver<Row>,
    },
    /// Asks for [`Inventory::who`].
    Who {},
}
#[allow(dead_code)]
impl<'a> InventoryRequest<'a> {
    /// Reads the arguments of `method`, named without its service.
    ///
    /// # Errors
    ///
    /// There is no such method, or `body` does not hold its arguments.
    #[allow(unused_mut, unreachable_code)]
    pub fn decode(
        method: &str,
        body: impl ::mux::__private::Into<::mux::__private::Args<'a>>,
    ) -> ::mux::__private::Result<Self, ::mux::__private::Refused> {
        let mut args = ::mux::__private::ArgsDecoder::new(body)?;
        let request = match method {
            "stock" => {
                Self::Stock {
                    sku: args.value("sku")?,
                }
            }
            "take" => {
                Self::Take {
                    sku: args.value("sku")?,
                    units: args.owned("units", __InventoryMethods::__evidence0())?,
                }
            }
            "checksum" => {
                Self::Checksum {
                    blob: args.bytes("blob")?,
                }
            }
            "log" => {
                Self::Log {
                    line: args.owned("line", __InventoryMethods::__evidence4())?,
                }
            }
            "watch" => {
                Self::Watch {
                    prefix: args.owned("prefix", __InventoryMethods::__evidence4())?,
                }
            }
            "audit" => {
                Self::Audit {
                    sku: args.value("sku")?,
                }
            }
            "load" => {
                Self::Load {
                    rows: args.owned("rows", __InventoryMethods::__evidence7())?,
                }
            }
            "who" => Self::Who {},
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
    pub fn run<'__run, S: Inventory>(
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
    fn __run_from<'__run, S: Inventory, M>(
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
                Self::Stock { .. } => {
                    let Self::Stock { sku } = ::mux::__private::identity(request) else {
                        ::mux::__private::unreachable!("it is of this variant")
                    };
                    ::mux::__private::Outcome::value(
                        &Inventory::stock(service, sku).await,
                        ::mux::__private::Encoding::Named,
                        __InventoryMethods::__evidence0(),
                    )
                }
                Self::Take { .. } => {
                    let Self::Take { sku, units } = ::mux::__private::identity(request)
                    else { ::mux::__private::unreachable!("it is of this variant") };
                    ::mux::__private::Outcome::result(
                        Inventory::take(service, sku, units).await,
                        ::mux::__private::Encoding::Named,
                        __InventoryMethods::__evidence0(),
                        __InventoryMethods::__evidence1(),
                    )
                }
                Self::Checksum { .. } => {
                    let Self::Checksum { blob } = ::mux::__private::identity(request)
                    else { ::mux::__private::unreachable!("it is of this variant") };
                    ::mux::__private::Outcome::value(
                        &Inventory::checksum(service, blob),
                        ::mux::__private::Encoding::Named,
                        __InventoryMethods::__evidence2(),
                    )
                }
                Self::Log { .. } => {
                    let Self::Log { line } = ::mux::__private::identity(request) else {
                        ::mux::__private::unreachable!("it is of this variant")
                    };
                    {
                        Inventory::log(service, line).await;
                        ::mux::__private::Outcome::none()
                    }
                }
                Self::Watch { .. } => {
                    let Self::Watch { prefix } = ::mux::__private::identity(request)
                    else { ::mux::__private::unreachable!("it is of this variant") };
                    context
                        .stream(
                            ::mux::__private::plain(
                                Inventory::watch(service, prefix).await,
                                __InventoryMethods::__evidence5(),
                            ),
                            ::mux::__private::Encoding::Named,
                        )
                        .await
                }
                Self::Audit { .. } => {
                    let Self::Audit { sku } = ::mux::__private::identity(request) else {
                        ::mux::__private::unreachable!("it is of this variant")
                    };
                    context
                        .stream_result(
                            ::mux::__private::Result::map(
                                Inventory::audit(service, sku).await,
                                |stream| ::mux::__private::failing(
                                    stream,
                                    __InventoryMethods::__evidence5(),
                                    __InventoryMethods::__evidence6(),
                                ),
                            ),
                            ::mux::__private::Encoding::Named,
                            __InventoryMethods::__evidence1(),
                        )
                        .await
                }
                Self::Load { .. } => {
                    let Self::Load { rows } = ::mux::__private::identity(request) else {
                        ::mux::__private::unreachable!("it is of this variant")
                    };
                    ::mux::__private::Outcome::value(
                        &Inventory::load(service, rows).await,
                        ::mux::__private::Encoding::Named,
                        __InventoryMethods::__evidence2(),
                    )
                }
                Self::Who { .. } => {
                    let Self::Who {} = ::mux::__private::identity(request) else {
                        ::mux::__private::unreachable!("it is of this variant")
                    };
                    ::mux::__private::Outcome::value(
                        &Inventory::who(service, context).await,
                        ::mux::__private::Encoding::Named,
                        __InventoryMethods::__evidence4(),
                    )
                }
            }
        }
    }
    /// The method it asks for.
    #[must_use]
    pub fn method(&self) -> &'static ::mux::__private::MethodDescriptor {
        match self {
            Self::Stock { .. } => __InventoryMethods::STOCK,
            Self::Take { .. } => __InventoryMethods::TAKE,
            Self::Checksum { .. } => __InventoryMethods::CHECKSUM,
            Self::Log { .. } => __InventoryMethods::LOG,
            Self::Watch { .. } => __InventoryMethods::WATCH,
            Self::Audit { .. } => __InventoryMethods::AUDIT,
            Self::Load { .. } => __InventoryMethods::LOAD,
            Self::Who { .. } => __InventoryMethods::WHO,
        }
    }
}
#[automatically_derived]
impl<'a> ::mux::__private::fmt::Debug for InventoryRequest<'a> {
    fn fmt(
        &self,
        f: &mut ::mux::__private::fmt::Formatter<'_>,
    ) -> ::mux::__private::fmt::Result {
        f.write_str(self.method().name)
    }
}
#[allow(dead_code)]
enum __InventoryMethods {}
#[allow(dead_code)]
impl __InventoryMethods {
    #[allow(non_upper_case_globals)]
    const __fingerprint: u64 = ::mux::__private::fingerprint(
        ::mux::__private::Encoding::Named,
        &[
            ::mux::__private::Shape {
                path: "inventory.stock",
                kind: ::mux::__private::Kind::Value,
                args: &["sku"],
            },
            ::mux::__private::Shape {
                path: "inventory.take",
                kind: ::mux::__private::Kind::Value,
                args: &["sku", "units"],
            },
            ::mux::__private::Shape {
                path: "inventory.checksum",
                kind: ::mux::__private::Kind::Value,
                args: &["blob"],
            },
            ::mux::__private::Shape {
                path: "inventory.log",
                kind: ::mux::__private::Kind::Notify,
                args: &["line"],
            },
            ::mux::__private::Shape {
                path: "inventory.watch",
                kind: ::mux::__private::Kind::Stream,
                args: &["prefix"],
            },
            ::mux::__private::Shape {
                path: "inventory.audit",
                kind: ::mux::__private::Kind::Stream,
                args: &["sku"],
            },
            ::mux::__private::Shape {
                path: "inventory.load",
                kind: ::mux::__private::Kind::Value,
                args: &["rows"],
            },
            ::mux::__private::Shape {
                path: "inventory.who",
                kind: ::mux::__private::Kind::Value,
                args: &[],
            },
        ],
    );
    const STOCK: &'static ::mux::__private::MethodDescriptor = &::mux::__private::MethodDescriptor {
        name: "stock",
        path: "inventory.stock",
        docs: "Units on hand.",
        args: &[
            ::mux::__private::ArgDescriptor {
                name: "sku",
                ty: "&str",
            },
        ],
        returns: "u32",
        encoding: ::mux::__private::Encoding::Named,
        placement: ::mux::__private::Placement::Task,
        notify: false,
        detached: false,
        idempotent: false,
        fingerprint: Self::__fingerprint,
    };
    const TAKE: &'static ::mux::__private::MethodDescriptor = &::mux::__private::MethodDescriptor {
        name: "take",
        path: "inventory.take",
        docs: "",
        args: &[
            ::mux::__private::ArgDescriptor {
                name: "sku",
                ty: "&str",
            },
            ::mux::__private::ArgDescriptor {
                name: "units",
                ty: "u32",
            },
        ],
        returns: "Result<u32, Shortage>",
        encoding: ::mux::__private::Encoding::Named,
        placement: ::mux::__private::Placement::Task,
        notify: false,
        detached: false,
        idempotent: false,
        fingerprint: Self::__fingerprint,
    };
    const CHECKSUM: &'static ::mux::__private::MethodDescriptor = &::mux::__private::MethodDescriptor {
        name: "checksum",
        path: "inventory.checksum",
        docs: "",
        args: &[
            ::mux::__private::ArgDescriptor {
                name: "blob",
                ty: "&[u8]",
            },
        ],
        returns: "u64",
        encoding: ::mux::__private::Encoding::Named,
        placement: ::mux::__private::Placement::Worker,
        notify: false,
        detached: false,
        idempotent: false,
        fingerprint: Self::__fingerprint,
    };
    const LOG: &'static ::mux::__private::MethodDescriptor = &::mux::__private::MethodDescriptor {
        name: "log",
        path: "inventory.log",
        docs: "",
        args: &[
            ::mux::__private::ArgDescriptor {
                name: "line",
                ty: "String",
            },
        ],
        returns: "()",
        encoding: ::mux::__private::Encoding::Named,
        placement: ::mux::__private::Placement::Task,
        notify: true,
        detached: false,
        idempotent: false,
        fingerprint: Self::__fingerprint,
    };
    const WATCH: &'static ::mux::__private::MethodDescriptor = &::mux::__private::MethodDescriptor {
        name: "watch",
        path: "inventory.watch",
        docs: "",
        args: &[
            ::mux::__private::ArgDescriptor {
                name: "prefix",
                ty: "String",
            },
        ],
        returns: "impl Stream<Item = Change>",
        encoding: ::mux::__private::Encoding::Named,
        placement: ::mux::__private::Placement::Task,
        notify: false,
        detached: false,
        idempotent: false,
        fingerprint: Self::__fingerprint,
    };
    const AUDIT: &'static ::mux::__private::MethodDescriptor = &::mux::__private::MethodDescriptor {
        name: "audit",
        path: "inventory.audit",
        docs: "",
        args: &[
            ::mux::__private::ArgDescriptor {
                name: "sku",
                ty: "&str",
            },
        ],
        returns: "Result<impl Stream<Item = Result<Change, Rotten>>, Shortage>",
        encoding: ::mux::__private::Encoding::Named,
        placement: ::mux::__private::Placement::Task,
        notify: false,
        detached: false,
        idempotent: false,
        fingerprint: Self::__fingerprint,
    };
    const LOAD: &'static ::mux::__private::MethodDescriptor = &::mux::__private::MethodDescriptor {
        name: "load",
        path: "inventory.load",
        docs: "",
        args: &[
            ::mux::__private::ArgDescriptor {
                name: "rows",
                ty: "Receiver<Row>",
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
    const WHO: &'static ::mux::__private::MethodDescriptor = &::mux::__private::MethodDescriptor {
        name: "who",
        path: "inventory.who",
        docs: "",
        args: &[],
        returns: "String",
        encoding: ::mux::__private::Encoding::Named,
        placement: ::mux::__private::Placement::Task,
        notify: false,
        detached: false,
        idempotent: false,
        fingerprint: Self::__fingerprint,
    };
}
#[allow(dead_code)]
impl __InventoryMethods {
    fn __evidence0() -> impl ::mux::__private::Evidence<Value = u32> {
        ::mux::__private::travels::<u32, _>()
    }
    fn __evidence1() -> impl ::mux::__private::ErrorEvidence<
        Error = Shortage,
        App = Shortage,
        End = Shortage,
    > {
        ::mux::__private::fails::<Shortage, _>()
    }
    fn __evidence2() -> impl ::mux::__private::Evidence<Value = u64> {
        ::mux::__private::travels::<u64, _>()
    }
    fn __evidence3() -> impl ::mux::__private::Evidence<Value = ()> {
        ::mux::__private::travels::<(), _>()
    }
    fn __evidence4() -> impl ::mux::__private::Evidence<Value = String> {
        ::mux::__private::travels::<String, _>()
    }
    fn __evidence5() -> impl ::mux::__private::Evidence<Value = Change> {
        ::mux::__private::travels::<Change, _>()
    }
    fn __evidence6() -> impl ::mux::__private::ErrorEvidence<
        Error = Rotten,
        App = Rotten,
        End = Rotten,
    > {
        ::mux::__private::fails::<Rotten, _>()
    }
    fn __evidence7() -> impl ::mux::__private::Evidence<Value = Receiver<Row>> {
        ::mux::__private::travels::<Receiver<Row>, _>()
    }
}
