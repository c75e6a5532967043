#pragma once
// The lattices of the IQ types: points, which codes lie on them, and the points near those that do not.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace qs {

/// The points nearest to a code that is not on the grid, by distance, then by index.
struct Neighbours {
  uint32_t offset;
  uint32_t count;
};

/// A grid of points with `dims` coordinates of `levels` values. A code packs the levels, `bits` each; its key numbers the
/// possible codes without gaps: the code itself for eight levels, Σ level·3^i for three.
class Grid {
 public:
  Grid(const uint16_t* points, size_t size, int dims, int shells);

  size_t size() const { return size_; }
  const uint16_t* points() const { return points_; }
  /// By key: the index of the point, or −1 − the number of a list of neighbours.
  const int32_t* map() const { return map_.data(); }
  const Neighbours& list(size_t number) const { return lists_[number]; }
  const uint16_t* neighbourCodes() const { return codes_.data(); }

 private:
  const uint16_t* points_;
  size_t size_;
  std::vector<int32_t> map_;
  std::vector<Neighbours> lists_;
  std::vector<uint16_t> codes_;
};

// Built on first use; the neighbour lists hold as many shells of equal distance as llama.cpp's do for the type.
const Grid& gridIQ2_XXS();
const Grid& gridIQ2_XS();
const Grid& gridIQ2_S();
const Grid& gridIQ3_XXS();
const Grid& gridIQ3_S();
const Grid& gridIQ1();

/// The eight signs of a 7-bit pattern: the eighth makes the number of minus signs even.
inline uint8_t evenSigns(uint32_t pattern) {
  uint32_t parity = pattern ^ (pattern >> 4);
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return static_cast<uint8_t>(pattern | ((parity & 1) << 7));
}

}  // namespace qs
