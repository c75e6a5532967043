#pragma once

// Function versions for wider vectors, chosen once by the loader. Safe for the exact kernels: without contraction
// (-ffp-contract=off) a wider register changes no bit.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && !defined(QS_NO_CLONES)
#define QS_WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define QS_WIDE
#endif

#if defined(__GNUC__)
#define QS_INLINE inline __attribute__((always_inline))
#else
#define QS_INLINE inline
#endif
