//! A service may be private, in a function, behind a macro, and found under another path.

#![deny(warnings, unreachable_pub, missing_docs)]

mod inner {
    //! Private to its neighbours.

    pub(crate) mod again {
        //! A crate that hands `mux` on.
        pub(crate) use ::mux;
    }

    #[mux::service(crate = crate::inner::again::mux)]
    pub(crate) trait Visible {
        async fn get(&self) -> u8;
    }

    #[mux::service]
    pub(super) trait Narrow {
        async fn get(&self) -> u8;
    }
}

#[mux::service]
trait Private {
    async fn get(&self, hidden: Hidden) -> Hidden;
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Hidden;

struct Here;

impl inner::Visible for Here {
    async fn get(&self) -> u8 {
        1
    }
}

impl inner::Narrow for Here {
    async fn get(&self) -> u8 {
        2
    }
}

macro_rules! made {
    ($vis:vis $name:ident, $argument:ident: $ty:ty, $lent:ty) => {
        #[mux::service]
        $vis trait $name {
            async fn get(&self, $argument: $ty, local: $lent) -> $ty;
            async fn more(&self, args: $lent, other: Option<$lent>) -> Option<$ty> {
                let _ = (args, other);
                None
            }
        }
    };
}

made!(pub(crate) Made, args: u32, &str);

impl Made for Here {
    async fn get(&self, a: u32, _: &str) -> u32 {
        a
    }
}

fn main() {
    #[mux::service]
    trait Local {
        async fn get(&self, name: &str) -> u8;
    }

    impl Local for Here {
        async fn get(&self, name: &str) -> u8 {
            u8::try_from(name.len()).unwrap()
        }
    }

    assert_eq!(LocalClient::local(Here).get("abc").wait().unwrap(), 3);
    assert_eq!(inner::VisibleClient::local(Here).get().wait().unwrap(), 1);
    assert_eq!(inner::NarrowClient::local(Here).get().wait().unwrap(), 2);
    assert_eq!(MadeClient::local(Here).get(4, "").wait().unwrap(), 4);
    assert!(MadeClient::local(Here).more("", Some("")).wait().unwrap().is_none());
}
