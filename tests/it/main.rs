//! What users are promised, shown through the public interface.

mod calls;
