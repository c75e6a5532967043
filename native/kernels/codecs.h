#pragma once
// Dtypes by name: how wide they are, and how to turn them into float32 and back.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "scheme.h"

namespace qs {

struct Codec {
  std::string_view name;
  size_t block;  // weights per block
  size_t bytes;  // bytes per block
  void (*decode)(const void* in, float* y, size_t n);
  void (*encode)(const float* x, void* out, size_t n);  // null when there is no encoder
};

std::span<const Codec> codecs();
// −1 when there is no codec of that name.
int codecIndex(std::string_view name);

// Index of the first NaN or infinity, or n.
size_t firstNonFinite(const float* x, size_t n);

}  // namespace qs
