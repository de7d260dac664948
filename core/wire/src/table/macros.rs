//! The macro that turns a table into a struct; [`crate::table`] explains the notation.

/// Declares messages and their structs: see [`crate::table`].
#[macro_export]
macro_rules! messages {
    ($(
        $(#[$meta:meta])*
        struct $Name:ident
        $(: key $key:literal, versions [$($versions:tt)*], flexible [$($flexible:tt)*])?
        {
            $(
                $(#[$field_meta:meta])*
                $field:ident: $ty:ty [$($has:tt)*]
                $(null [$($null:tt)*])? $(as $how:ident)? $(tag $tag:literal)? $(= $default:expr)?;
            )*
        }
    )*) => {
        #[allow(unused_imports)]
        use $crate::primitive::{DecodeError, Reader, Records, Str, Uuid, Writer};
        #[allow(unused_imports)]
        use $crate::table::{At, TagWriter, Wire, wire::{differs, read_field}};
        $(
            $(#[$meta])*
            #[derive(Clone, Debug, PartialEq)]
            pub struct $Name {
                $(
                    $(#[$field_meta])*
                    pub $field: $ty,
                )*
                /// Tagged fields that this table does not know.
                pub unknown_tags: $crate::table::UnknownTags,
            }

            impl Default for $Name {
                fn default() -> Self {
                    Self {
                        $($field: $crate::__default!($($default)?),)*
                        unknown_tags: Default::default(),
                    }
                }
            }

            impl $Name {
                /// The table of this struct, as data.
                pub const SCHEMA: $crate::table::schema::Struct = $crate::table::schema::Struct {
                    name: stringify!($Name),
                    fields: &[$($crate::table::schema::Field {
                        name: stringify!($field),
                        versions: $crate::__versions!($($has)*),
                        nullable: $crate::__nullable!($([$($null)*])?),
                        tag: $crate::__tag!($($tag)?),
                        classic: $crate::__classic!($($how)?),
                        kind: <$ty as Wire>::TYPE,
                    },)*],
                };
            }

            impl Wire for $Name {
                const TYPE: $crate::table::schema::Type =
                    $crate::table::schema::Type::Struct(&$Name::SCHEMA);

                fn min_len(at: At) -> usize {
                    let len = usize::from(at.flexible);
                    $($crate::__untagged! { [$($tag)?]
                        let len = len + if $crate::__versions!($($has)*).has(at.version) {
                            <$ty as Wire>::min_len(at)
                        } else {
                            0
                        };
                    })*
                    len
                }

                #[allow(unused_variables)]
                fn read(r: &mut Reader, at: At) -> Result<Self, DecodeError> {
                    $(
                        $crate::__untagged! { [$($tag)?]
                            let $field: $ty = if $crate::__versions!($($has)*).has(at.version) {
                                let at = $crate::__at!(at, [$($how)?] $([$($null)*])?);
                                read_field(r, at, stringify!($field))?
                            } else {
                                $crate::__default!($($default)?)
                            };
                        }
                        $crate::__tagged! { [$($tag)?]
                            let mut $field: $ty = $crate::__default!($($default)?);
                        }
                    )*
                    let unknown_tags = match at.flexible {
                        true => $crate::table::UnknownTags::read(r, |r, tag| {
                            $($crate::__tagged! { [$($tag)?]
                                let has = $crate::__versions!($($has)*).has(at.version);
                                if has && tag == $($tag)? {
                                    let at = $crate::__at!(at, [$($how)?] $([$($null)*])?);
                                    $field = read_field(r, at, stringify!($field))?;
                                    return Ok(true);
                                }
                            })*
                            Ok(false)
                        })?,
                        false => Default::default(),
                    };
                    Ok(Self { $($field,)* unknown_tags })
                }

                #[allow(unused_mut)]
                fn write(&self, w: &mut Writer, at: At) {
                    $($crate::__untagged! { [$($tag)?]
                        if $crate::__versions!($($has)*).has(at.version) {
                            self.$field.write(w, $crate::__at!(at, [$($how)?] $([$($null)*])?));
                        }
                    })*
                    if at.flexible {
                        let mut known = 0;
                        $($crate::__tagged! { [$($tag)?]
                            let $field: bool = $crate::__versions!($($has)*).has(at.version)
                                && differs(&self.$field, $crate::__default!($($default)?));
                            known += u32::from($field);
                        })*
                        let mut tags = TagWriter::begin(w, known, &self.unknown_tags);
                        $($crate::__tagged! { [$($tag)?]
                            if $field {
                                let at = $crate::__at!(at, [$($how)?] $([$($null)*])?);
                                tags.field(w, $($tag)?, at, &self.$field);
                            }
                        })*
                        tags.end(w);
                    }
                }

                fn visit(&self, at: At, v: &mut dyn $crate::table::visit::Visitor) {
                    v.begin_struct();
                    $(
                        if $crate::__versions!($($has)*).has(at.version)
                            && $crate::__shown!([$($tag)?] &self.$field, $crate::__default!($($default)?))
                        {
                            v.field($crate::table::visit::FieldName(stringify!($field)));
                            self.$field.visit($crate::__at!(at, [$($how)?] $([$($null)*])?), v);
                        }
                    )*
                    v.end_struct(&self.unknown_tags);
                }
            }

            impl $crate::table::Nullable for $Name {
                fn write_empty(w: &mut Writer, at: At) {
                    Self::default().write(w, at);
                }
            }

            $(
                impl $crate::message::Message for $Name {
                    const NAME: &'static str = stringify!($Name);
                    const API_KEY: i16 = $key;
                    const VERSIONS: std::ops::RangeInclusive<i16> = {
                        let versions = $crate::__versions!($($versions)*);
                        versions.min..=versions.max
                    };
                    const FLEXIBLE: i16 = $crate::__versions!($($flexible)*).min;
                }
            )?
        )*
    };
}

/// `[3-12]`, `[3+]`, `[3]`, `[none]`.
#[doc(hidden)]
#[macro_export]
macro_rules! __versions {
    (none) => {
        $crate::table::Versions::NONE
    };
    ($min:literal - $max:literal) => {
        $crate::table::Versions { min: $min, max: $max }
    };
    ($min:literal +) => {
        $crate::table::Versions { min: $min, max: i16::MAX }
    };
    ($only:literal) => {
        $crate::table::Versions { min: $only, max: $only }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __nullable {
    () => {
        $crate::table::Versions::ALL
    };
    ([$($null:tt)*]) => {
        $crate::__versions!($($null)*)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __at {
    ($at:ident, [$($how:ident)?] $([$($null:tt)*])?) => {
        $at.nullable($crate::__nullable!($([$($null)*])?).has($at.version)) $(.$how())?
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __default {
    () => {
        Default::default()
    };
    ($default:expr) => {
        $default
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tag {
    () => {
        None
    };
    ($tag:literal) => {
        Some($tag)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __classic {
    () => {
        false
    };
    (classic) => {
        true
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __untagged {
    ([] $($code:tt)*) => {
        $($code)*
    };
    ([$tag:literal] $($code:tt)*) => {};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tagged {
    ([] $($code:tt)*) => {};
    ([$tag:literal] $($code:tt)*) => {
        $($code)*
    };
}

/// Whether a walk shows a field: a tagged one only if it is not at its default.
#[doc(hidden)]
#[macro_export]
macro_rules! __shown {
    ([] $value:expr, $default:expr) => {
        true
    };
    ([$tag:literal] $value:expr, $default:expr) => {
        $crate::table::wire::differs($value, $default)
    };
}
