//! 2D/3D registration: similarity, optimisation, modes and scores.
