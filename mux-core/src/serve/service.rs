//! What can be served: an implementation with all that the macro generates around it.

use crate::api::descriptor::ServiceDescriptor;
use crate::serve::dispatch::Slot;
use crate::serve::inbound::Inbound;
use std::sync::Arc;

/// An implementation made servable; made by `#[service]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be served as it is",
    note = "wrap the implementation in its generated server, as in `InventoryServer::new(shop)`"
)]
pub trait Service: Send + Sync + 'static {
    /// What the service is.
    fn descriptor(&self) -> &'static ServiceDescriptor;

    /// Runs one request.
    #[doc(hidden)]
    fn serve(self: Arc<Self>, inbound: Inbound, slot: Slot<'_>);
}
