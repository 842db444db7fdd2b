//! Tests of the storage as a whole.
