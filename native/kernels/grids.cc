#include "grids.h"

#include <algorithm>
#include <array>

#include "grids.data.h"

namespace qs {
namespace {

struct Space {
  int dims;
  int bits;
  int levels;
  size_t keys;
};

Space spaceOf(int dims) { return dims == 8 ? Space{8, 2, 3, 6561} : Space{4, 3, 8, 4096}; }

using Levels = std::array<int, 8>;

Levels levelsOfKey(const Space& space, size_t key) {
  Levels levels{};
  for (int i = 0; i < space.dims; ++i, key /= static_cast<size_t>(space.levels)) {
    levels[static_cast<size_t>(i)] = static_cast<int>(key % static_cast<size_t>(space.levels));
  }
  return levels;
}

Levels levelsOfCode(const Space& space, uint16_t code) {
  Levels levels{};
  for (int i = 0; i < space.dims; ++i) levels[static_cast<size_t>(i)] = (code >> (space.bits * i)) & (space.bits == 2 ? 3 : 7);
  return levels;
}

size_t keyOf(const Space& space, const Levels& levels) {
  size_t key = 0;
  for (int i = space.dims; i-- > 0;) key = key * static_cast<size_t>(space.levels) + static_cast<size_t>(levels[static_cast<size_t>(i)]);
  return key;
}

}  // namespace

Grid::Grid(const uint16_t* points, size_t size, int dims, int shells) : points_(points), size_(size) {
  const Space space = spaceOf(dims);
  std::vector<Levels> places;
  map_.assign(space.keys, -1);
  for (size_t i = 0; i < size; ++i) {
    places.push_back(levelsOfCode(space, points[i]));
    map_[keyOf(space, places.back())] = static_cast<int32_t>(i);
  }
  std::vector<int> distances(size);
  for (size_t key = 0; key < space.keys; ++key) {
    if (map_[key] >= 0) continue;
    const Levels here = levelsOfKey(space, key);
    std::vector<uint32_t> perDistance(8 * 49 + 1);
    for (size_t i = 0; i < size; ++i) {
      int distance = 0;
      for (size_t k = 0; k < static_cast<size_t>(dims); ++k) {
        distance += (places[i][k] - here[k]) * (places[i][k] - here[k]);
      }
      distances[i] = distance;
      ++perDistance[static_cast<size_t>(distance)];
    }
    map_[key] = -1 - static_cast<int32_t>(lists_.size());
    const size_t offset = codes_.size();
    int left = shells;
    for (size_t distance = 0; distance < perDistance.size() && left > 0; ++distance) {
      if (perDistance[distance] == 0) continue;
      --left;
      for (size_t i = 0; i < size; ++i) {
        if (distances[i] == static_cast<int>(distance)) codes_.push_back(points[i]);
      }
    }
    lists_.push_back({static_cast<uint32_t>(offset), static_cast<uint32_t>(codes_.size() - offset)});
  }
}

const Grid& gridIQ2_XXS() {
  static const Grid grid(kGridIQ2_XXS, std::size(kGridIQ2_XXS), 8, 2);
  return grid;
}
const Grid& gridIQ2_XS() {
  static const Grid grid(kGridIQ2_XS, std::size(kGridIQ2_XS), 8, 2);
  return grid;
}
const Grid& gridIQ2_S() {
  static const Grid grid(kGridIQ2_S, std::size(kGridIQ2_S), 8, 1);
  return grid;
}
const Grid& gridIQ3_XXS() {
  static const Grid grid(kGridIQ3_XXS, std::size(kGridIQ3_XXS), 4, 2);
  return grid;
}
const Grid& gridIQ3_S() {
  static const Grid grid(kGridIQ3_S, std::size(kGridIQ3_S), 4, 3);
  return grid;
}
const Grid& gridIQ1() {
  static const Grid grid(kGridIQ1, std::size(kGridIQ1), 8, 3);
  return grid;
}

}  // namespace qs
