//! The implementation made servable.

use proc_macro2::TokenStream;
use syn::{Generics, parse_quote};

use super::Scope;

// Output:
//     pub struct InventoryServer<S> { service: Arc<S>, inspect: Option<Box<dyn Fn(&InventoryRequest<'_>) + …>> }
//     impl<S: Inventory> InventoryServer<S> { pub fn new(service: S) -> Self … }
//     impl<S: Inventory> Service for InventoryServer<S> { … }
pub(super) fn render(scope: &Scope<'_>) -> TokenStream {
    let server = server(scope);
    let constructors = constructors(scope);
    let service = service(scope);
    tokens!(#server #constructors #service)
}

fn server(scope: &Scope<'_>) -> TokenStream {
    let Scope { private, server, implementation, .. } = scope;
    let (attrs, vis, inspect) = (scope.attrs(), scope.service.vis(), inspect(scope));
    let generics = server_generics(scope);
    let (params, args, bounds) = generics.split_for_impl();
    let inherited = scope.service.inherited_attrs();
    let doc = format!(" Serves an implementation of [`{}`].", scope.service.ident());
    let name = server.to_string();
    tokens! {
        #attrs
        #[doc = #doc]
        #vis struct #server #generics #bounds {
            service: #private::Arc<#implementation>,
            inspect: #private::Option<#private::Box<#inspect>>,
        }

        #(#inherited)*
        #[automatically_derived]
        impl #params #private::fmt::Debug for #server #args #bounds {
            fn fmt(&self, f: &mut #private::fmt::Formatter<'_>) -> #private::fmt::Result {
                f.debug_struct(#name).finish_non_exhaustive()
            }
        }
    }
}

/// `dyn Fn(&InventoryRequest<'_>) + Send + Sync`
fn inspect(scope: &Scope<'_>) -> TokenStream {
    let (private, bound) = (&scope.private, inspector(scope));
    tokens!(dyn #bound + #private::Send + #private::Sync)
}

fn inspector(scope: &Scope<'_>) -> TokenStream {
    let Scope { private, request, generics, .. } = scope;
    let params = generics.type_params().map(|param| &param.ident);
    tokens!(#private::Fn(&#request<'_, #(#params),*>))
}

/// `<S, K, V>`, with no bound on `S`
fn server_generics(scope: &Scope<'_>) -> Generics {
    let implementation = &scope.implementation;
    let mut generics = scope.generics.clone();
    generics.params.insert(0, parse_quote!(#implementation));
    generics
}

fn constructors(scope: &Scope<'_>) -> TokenStream {
    let Scope { private, server, implementation, .. } = scope;
    let (attrs, vis, inspector) = (scope.attrs(), scope.service.vis(), inspector(scope));
    let (bound, generics) = (scope.implementation_generics(), server_generics(scope));
    let ((params, _, _), (_, args, bounds)) = (bound.split_for_impl(), generics.split_for_impl());
    tokens! {
        #attrs
        impl #params #server #args #bounds {
            /// Serves `service`.
            #[must_use]
            #vis fn new(service: #implementation) -> Self {
                Self::from_arc(#private::Arc::new(service))
            }

            /// Serves an implementation that is shared with others.
            #[must_use]
            #vis fn from_arc(service: #private::Arc<#implementation>) -> Self {
                Self { service, inspect: #private::None }
            }

            /// Shows each request to `inspect` before it runs.
            #[must_use]
            #vis fn inspect(self, inspect: impl #inspector + #private::Send + #private::Sync + 'static) -> Self {
                Self { service: self.service, inspect: #private::Some(#private::Box::new(inspect)) }
            }
        }
    }
}

fn service(scope: &Scope<'_>) -> TokenStream {
    let Scope { private, server, .. } = scope;
    let (attrs, request) = (scope.attrs(), scope.request_path());
    let decode = if scope.borrows_frame() { tokens!(decode) } else { tokens!(decode_owned) };
    let (bound, generics) = (scope.implementation_generics(), server_generics(scope));
    let ((params, _, _), (_, args, bounds)) = (bound.split_for_impl(), generics.split_for_impl());
    let descriptor = super::descriptor::service(scope);
    tokens! {
        #attrs
        impl #params #private::Service for #server #args #bounds {
            fn descriptor(&self) -> &'static #private::ServiceDescriptor {
                #descriptor
            }

            fn serve(self: #private::Arc<Self>, inbound: #private::Inbound, slot: #private::Slot<'_>) {
                // Together, so that the future that runs the request holds one reference and not two.
                let mut kept = (inbound, self);
                slot.run(&mut #private::Some(async move {
                    let kept = &mut kept;
                    #request::__run_from(#private::once(move || {
                        let (inbound, server) = kept;
                        let (request, context) = inbound.#decode(|name, args| #request::decode(name, args))?;
                        if let #private::Some(inspect) = &server.inspect {
                            inspect(&request);
                        }
                        #private::Ok((request, &*server.service, context))
                    }))
                    .await
                }));
            }
        }
    }
}
