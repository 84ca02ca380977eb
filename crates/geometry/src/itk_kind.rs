//! The classes of ITK transforms that are read and written, with the numbers of their parameters.

/// The class of a transform, see [`crate::itk_transform`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are ITK's
pub enum Kind {
    Euler3D,
    Versor,
    VersorRigid3D,
    QuaternionRigid,
    Rigid3D,
    Similarity3D,
    ScaleVersor3D,
    ScaleSkewVersor3D,
    Scale,
    Affine,
    MatrixOffset,
    Translation,
    Identity,
}

impl Kind {
    /// All classes.
    pub const ALL: [Self; 13] = [
        Self::Euler3D,
        Self::Versor,
        Self::VersorRigid3D,
        Self::QuaternionRigid,
        Self::Rigid3D,
        Self::Similarity3D,
        Self::ScaleVersor3D,
        Self::ScaleSkewVersor3D,
        Self::Scale,
        Self::Affine,
        Self::MatrixOffset,
        Self::Translation,
        Self::Identity,
    ];

    /// ITK's name of the class.
    pub fn class_name(self) -> &'static str {
        match self {
            Self::Euler3D => "Euler3DTransform",
            Self::Versor => "VersorTransform",
            Self::VersorRigid3D => "VersorRigid3DTransform",
            Self::QuaternionRigid => "QuaternionRigidTransform",
            Self::Rigid3D => "Rigid3DTransform",
            Self::Similarity3D => "Similarity3DTransform",
            Self::ScaleVersor3D => "ScaleVersor3DTransform",
            Self::ScaleSkewVersor3D => "ScaleSkewVersor3DTransform",
            Self::Scale => "ScaleTransform",
            Self::Affine => "AffineTransform",
            Self::MatrixOffset => "MatrixOffsetTransformBase",
            Self::Translation => "TranslationTransform",
            Self::Identity => "IdentityTransform",
        }
    }

    /// Number of parameters.
    pub fn parameters(self) -> usize {
        match self {
            Self::Identity => 0,
            Self::Versor | Self::Scale | Self::Translation => 3,
            Self::Euler3D | Self::VersorRigid3D => 6,
            Self::QuaternionRigid | Self::Similarity3D => 7,
            Self::ScaleVersor3D => 9,
            Self::Rigid3D | Self::Affine | Self::MatrixOffset => 12,
            Self::ScaleSkewVersor3D => 15,
        }
    }

    /// Accepted numbers of fixed parameters.
    pub fn fixed_parameters(self) -> &'static [usize] {
        match self {
            Self::Identity | Self::Translation => &[0],
            Self::Euler3D => &[3, 4],
            _ => &[3],
        }
    }
}

/// Precision in which the file says its numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// 64-bit.
    Double,
    /// 32-bit.
    Float,
}
