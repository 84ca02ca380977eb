//! Energy of programs: meters, regions, and joules that say where they come from and how sure they are.

pub mod provenance;
