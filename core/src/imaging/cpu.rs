//! The instruction sets of this processor.

/// Names of the instruction sets that matter to guarita and to ONNX Runtime and that this processor has.
pub(crate) fn features() -> Vec<&'static str> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! look {
            ($($name:tt),*) => { $(if std::arch::is_x86_feature_detected!($name) { found.push($name); })* };
        }
        look!("sse4.1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vnni", "avxvnni");
    }
    #[cfg(target_arch = "aarch64")]
    {
        macro_rules! look {
            ($($name:tt),*) => { $(if std::arch::is_aarch64_feature_detected!($name) { found.push($name); })* };
        }
        look!("neon", "fp16", "dotprod", "i8mm", "sve");
    }
    found
}

/// Defines a function whose body is compiled twice, for any x86-64 and for AVX2, and picks at run time.
///
/// The body is ordinary safe code that the compiler vectorises; both versions compute the same numbers, since neither
/// lets the compiler reorder or fuse floating-point operations.
macro_rules! vectorized {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $(<$($generic:ident : $bound:path),*>)? ($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name $(<$($generic: $bound),*>)? ($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn portable $(<$($generic: $bound),*>)? ($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,f16c")]
                fn avx2 $(<$($generic: $bound),*>)? ($($arg: $ty),*) $(-> $ret)? {
                    portable $(::<$($generic),*>)? ($($arg),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("f16c") {
                    // SAFETY: the processor has the features that `avx2` is compiled for; it was asked just now.
                    #[allow(unsafe_code, reason = "calling a function compiled for a detected instruction set")]
                    return unsafe { avx2 $(::<$($generic),*>)? ($($arg),*) };
                }
            }
            portable $(::<$($generic),*>)? ($($arg),*)
        }
    };
}
pub(crate) use vectorized;
