//! The generated crate, as files.

use std::fs;
use std::path::Path;

use super::services::{self, Framework};
use crate::Result;

/// How many services, and methods of each.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub services: usize,
    pub methods: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct Fixture {
    pub framework: Framework,
    pub size: Size,
}

/// What a user does between two builds, to the first service.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    /// Another number is another body of the first method.
    pub round: usize,
    pub method_more: bool,
}

impl Fixture {
    /// The name of the package, and of the program.
    pub fn name(&self) -> String {
        format!("{}-built", self.framework)
    }

    pub fn write(&self, directory: &Path) -> Result<()> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no repository around this")?;
        fs::create_dir_all(directory.join("src"))?;
        // The same versions as here.
        fs::copy(repository.join("Cargo.lock"), directory.join("Cargo.lock"))?;
        fs::write(directory.join("Cargo.toml"), self.manifest(&repository.to_string_lossy()))?;
        fs::write(directory.join("src/main.rs"), services::main(self.framework, self.size.services))?;
        for service in 0..self.size.services {
            self.write_service(directory, service, self.size.methods, 0)?;
        }
        Ok(())
    }

    pub fn edit(&self, directory: &Path, edit: Edit) -> Result<()> {
        let methods = self.size.methods + usize::from(edit.method_more);
        self.write_service(directory, 0, methods, edit.round)
    }

    fn write_service(&self, directory: &Path, service: usize, methods: usize, edit: usize) -> Result<()> {
        let text = services::module(self.framework, service, methods, edit);
        Ok(fs::write(directory.join(format!("src/store_{service}.rs")), text)?)
    }

    fn manifest(&self, mux: &str) -> String {
        let (name, dependencies) = (self.name(), services::dependencies(self.framework, mux));
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\n\
             tokio = {{ version = \"1\", features = [\"macros\", \"net\", \"rt-multi-thread\"] }}\n{dependencies}"
        )
    }
}
