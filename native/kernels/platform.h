#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define QS_INLINE __forceinline
#define QS_NOINLINE __declspec(noinline)
#else
#define QS_INLINE inline __attribute__((always_inline))
#define QS_NOINLINE __attribute__((noinline))
#endif

/// Prefetches for a later load; any address is allowed.
QS_INLINE void prefetch(const void* address) {
#if defined(__GNUC__)
  __builtin_prefetch(address);
#elif defined(_M_X64)
  _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0);
#else
  (void)address;
#endif
}

/// Prefetches a line that will be overwritten.
QS_INLINE void prefetchForWriting(const void* address) {
#if defined(__GNUC__)
  __builtin_prefetch(address, 1);
#else
  prefetch(address);
#endif
}
