#include "kernels.h"

#include <array>
#include <atomic>

#if defined(_MSC_VER) && defined(_M_X64) && !defined(__clang__)
#include <immintrin.h>
#include <intrin.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

namespace qs {
namespace scalar {
extern const Kernels kTable;
}
#if defined(__x86_64__) || defined(_M_X64)
namespace avx2 {
extern const Kernels kTable;
}
namespace avx512 {
extern const Kernels kTable;
}
#elif defined(__aarch64__) || defined(_M_ARM64)
namespace neon {
extern const Kernels kTable;
}
#endif

namespace {

#if defined(_MSC_VER) && defined(_M_X64) && !defined(__clang__)
/// Bits of CPUID leaf 7, and whether the system saves the wide registers (XCR0).
bool hasLeaf7(int bits, unsigned long long saved) {
  int leaf[4];
  __cpuid(leaf, 1);
  constexpr int kOsxsaveF16cAvx = (1 << 27) | (1 << 28) | (1 << 29);
  if ((leaf[2] & kOsxsaveF16cAvx) != kOsxsaveF16cAvx || (_xgetbv(0) & saved) != saved) return false;
  __cpuidex(leaf, 7, 0);
  return (leaf[1] & bits) == bits;
}
bool hasAvx2() { return hasLeaf7(1 << 5, 0x6); }
bool hasAvx512() { return hasLeaf7((1 << 16) | (1 << 17) | (1 << 30) | static_cast<int>(1u << 31), 0xe6); }
#elif defined(__x86_64__)
bool hasF16c() {
  unsigned a;
  unsigned b;
  unsigned c;
  unsigned d;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
bool hasAvx2() { return __builtin_cpu_supports("avx2") && hasF16c(); }
bool hasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#endif

struct Available {
  std::array<const Kernels*, 3> tables{};
  size_t count = 0;
  void add(const Kernels& table) { tables[count++] = &table; }
};

const Available& available() {
  static const Available all = [] {
    Available found;
#if defined(__x86_64__) || defined(_M_X64)
    if (hasAvx512()) found.add(avx512::kTable);
    if (hasAvx2()) found.add(avx2::kTable);
#elif defined(__aarch64__) || defined(_M_ARM64)
    found.add(neon::kTable);
#endif
    found.add(scalar::kTable);
    return found;
  }();
  return all;
}

std::atomic<const Kernels*> inUse{nullptr};

}  // namespace

std::span<const Kernels* const> availableKernels() { return {available().tables.data(), available().count}; }

const Kernels& kernels() {
  const Kernels* chosen = inUse.load(std::memory_order_relaxed);
  return chosen != nullptr ? *chosen : *available().tables[0];
}

bool useKernels(std::string_view name) {
  for (const Kernels* table : availableKernels()) {
    if (table->name != name) continue;
    inUse = table;
    return true;
  }
  return false;
}

const Codec* codecNamed(std::string_view name) {
  for (const Codec& codec : kernels().codecs) {
    if (name == codec.name) return &codec;
  }
  return nullptr;
}

}  // namespace qs
