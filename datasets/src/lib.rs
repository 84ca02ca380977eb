//! Dataset manifests, their fetching, and seeded generators.
