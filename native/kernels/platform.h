#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#define QS_INLINE __forceinline
#define QS_NOINLINE __declspec(noinline)
#else
#define QS_INLINE inline __attribute__((always_inline))
#define QS_NOINLINE __attribute__((noinline))
#endif
