#pragma once
// A dtype by name: how wide it is, and how to turn it into float32 and back.
#include <cstddef>
#include <cstdint>

namespace qs {

/// Whole rows of weights to encode. Blocks never cross rows.
struct Rows {
  size_t count;
  size_t columns;
  const float* importance;  // one weight per column, or null
};

enum class Importance { Unused, Optional, Required };

struct Codec {
  const char* name;
  size_t block;  // weights per block
  size_t bytes;  // bytes per block
  void (*decode)(const void* in, float* y, size_t n);
  void (*encode)(const float* x, void* out, Rows rows);  // null when there is no encoder
  Importance importance;
};

}  // namespace qs
