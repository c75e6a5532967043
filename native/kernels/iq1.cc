#include "iq1.h"

#include <array>
#include <cstring>

#include "blocks.h"
#include "iq1_splits.h"
#include "lattice.h"
#include "signed_bytes.h"

namespace qs::QS_TARGET {
namespace {

constexpr float kNegligibleIQ1_S = 1e-12f;
constexpr float kNegligibleIQ1_M = 1e-7f;

/// The point that eight levels are stored as: themselves if they are on the grid, else the neighbour of least
/// Σ w·(scale·q − x)². `moved` is set when it is a neighbour.
QS_INLINE uint16_t pointOf(const Grid& grid, const uint8_t* levels, const float* x, const float* w, float scale,
                           const float* table, bool& moved) {
  uint32_t code = 0;
  uint32_t key = 0;
  for (int i = 8; i-- > 0;) {
    code = code << 2 | levels[i];
    key = key * 3 + levels[i];
  }
  const int32_t entry = grid.map()[key];
  if (entry >= 0) return static_cast<uint16_t>(code);
  moved = true;
  float errors[8][3];
  for (int i = 0; i < 8; ++i) {
    for (int level = 0; level < 3; ++level) {
      const float difference = scale * table[level] - x[i];
      errors[i][level] = w[i] * difference * difference;
    }
  }
  return nearestNeighbour<8>(grid, entry, errors);
}

/// Importance weights of a sub-block, or x².
template <int N>
QS_INLINE void weigh(const float* x, const float* importance, float sigma2, float* w) {
  if (importance != nullptr) return weighByImportance<N>(x, importance, sigma2, w);
  for (int i = 0; i < N; ++i) w[i] = x[i] * x[i];
}

void finishIQ1_S(const Grid& grid, const float* x, const float* importance, const LaneSplit<32> (*splits)[kLanes],
                 size_t lane, BlockIQ1_S& block) {
  const float sigma2 = 2 * sumOfSquares(x) / kSuperBlock;
  std::memset(&block, 0, sizeof block);
  float scales[8] = {};
  bool down[8] = {};
  float largest = 0;
  for (int j = 0; j < 8; ++j, x += 32) {
    const LaneSplit<32>& split = splits[j][lane];
    if (split.shift < 0) continue;
    float w[32];
    weigh<32>(x, importance + 32 * j, sigma2, w);
    const float* table = split.shift == 0 ? kUp : kDown;
    float scale = split.scale;
    bool moved = false;
    uint16_t codes[4];
    for (int k = 0; k < 4; ++k) {
      codes[k] = pointOf(grid, split.levels + 8 * k, x + 8 * k, w + 8 * k, scale, table, moved);
    }
    if (moved) {
      float sumQx = 0;
      float sumQ2 = 0;
      for (int i = 0; i < 32; ++i) {
        const float q = table[levelOf<8>(codes[i / 8], i % 8)];
        sumQx += w[i] * q * x[i];
        sumQ2 += w[i] * q * q;
      }
      if (sumQx > 0 && sumQ2 > 0) scale = sumQx / sumQ2;
    }
    uint32_t high = 0;
    for (int k = 0; k < 4; ++k) {
      const uint32_t index = indexOf<8>(grid, codes[k]);
      block.qs[4 * j + k] = static_cast<uint8_t>(index);
      high |= (index >> 8) << (3 * k);
    }
    block.qh[j] = static_cast<uint16_t>(high);
    scales[j] = scale;
    down[j] = split.shift != 0;
    largest = largest > scale ? largest : scale;
  }
  if (largest == 0.0f) return;
  const float d = largest / 15;
  block.d = halfFromFloat(d * 1.125f);
  for (int j = 0; j < 8; ++j) {
    const int code = oddScale(scales[j], 1 / d, 7) | (down[j] ? 8 : 0);
    block.qh[j] = static_cast<uint16_t>(block.qh[j] | (code << 12));
  }
}

/// The table of half k of a sub-block of IQ1_M.
QS_INLINE const float* tableOf(int shift, int k) { return ((shift >> (1 - k)) & 1) == 0 ? kUp : kDown; }

void finishIQ1_M(const Grid& grid, const float* x, const float* importance, const LaneSplit<16> (*splits)[kLanes],
                 size_t lane, BlockIQ1_M& block) {
  const float sigma2 = 2 * sumOfSquares(x) / kSuperBlock;
  std::memset(&block, 0, sizeof block);
  float scales[16] = {};
  int shifts[16] = {};
  uint16_t codes[16][2];
  float w[kSuperBlock];
  float largest = 0;
  for (int j = 0; j < 16; ++j) {
    const float* values = x + 16 * j;
    float* weights = w + 16 * j;
    weigh<16>(values, importance == nullptr ? nullptr : importance + 16 * j, sigma2, weights);
    codes[j][0] = codes[j][1] = grid.points()[0];
    const LaneSplit<16>& split = splits[j][lane];
    if (split.shift < 0) continue;
    float scale = split.scale;
    bool moved = false;
    for (int k = 0; k < 2; ++k) {
      const float* table = tableOf(split.shift, k);
      codes[j][k] = pointOf(grid, split.levels + 8 * k, values + 8 * k, weights + 8 * k, scale, table, moved);
    }
    if (moved) {
      float sumQx = 0;
      float sumQ2 = 0;
      for (int i = 0; i < 16; ++i) {
        const float q = tableOf(split.shift, i / 8)[levelOf<8>(codes[j][i / 8], i % 8)];
        sumQx += weights[i] * q * values[i];
        sumQ2 += weights[i] * q * q;
      }
      if (sumQx > 0 && sumQ2 > 0) scale = sumQx / sumQ2;
    }
    uint32_t high = 0;
    for (int k = 0; k < 2; ++k) {
      const uint32_t index = indexOf<8>(grid, codes[j][k]);
      block.qs[2 * j + k] = static_cast<uint8_t>(index);
      high |= (index >> 8) << (4 * k);
    }
    block.qh[j] = static_cast<uint8_t>(high);
    scales[j] = scale;
    shifts[j] = split.shift;
    largest = largest > scale ? largest : scale;
  }
  if (largest == 0.0f) return;
  // The scale of the super-block, fitted again by least squares to everything that is stored.
  float d = largest / 15;
  const float inverse = 1 / d;
  float sumQx = 0;
  float sumQ2 = 0;
  uint32_t words[4] = {};
  for (int j = 0; j < 16; ++j) {
    const int code = oddScale(scales[j], inverse, 7);
    words[j / 4] |= static_cast<uint32_t>(code) << (3 * (j % 4));
    const int signs = ((shifts[j] & 2) != 0 ? 0x08 : 0) | ((shifts[j] & 1) != 0 ? 0x80 : 0);
    block.qh[j] = static_cast<uint8_t>(block.qh[j] | signs);
    for (int i = 0; i < 16; ++i) {
      const float q = tableOf(shifts[j], i / 8)[levelOf<8>(codes[j][i / 8], i % 8)] * static_cast<float>(2 * code + 1);
      sumQx += w[16 * j + i] * q * x[16 * j + i];
      sumQ2 += w[16 * j + i] * q * q;
    }
  }
  if (sumQ2 > 0) d = sumQx / sumQ2;
  const uint32_t stored = halfFromFloat(d * 1.1125f);
  for (int i = 0; i < 4; ++i) {
    words[i] |= ((stored >> (4 * i)) & 15) << 12;
    const uint16_t word = static_cast<uint16_t>(words[i]);
    std::memcpy(block.scales + 2 * i, &word, sizeof word);
  }
}

/// σ² = 2·Σx²/256 of each lane's super-block.
QS_INLINE F32 sigma2Of(const Lanes& lanes) {
  float sigma2[kLanes];
  for (int l = 0; l < kLanes; ++l) sigma2[l] = 2 * sumOfSquares(lanes.x[l]) / kSuperBlock;
  return load(sigma2);
}

/// The eight values of every point of the grid, −1, 0 or 1, as bytes.
std::array<uint64_t, 2048> bytesOfPoints(const uint16_t* points) {
  std::array<uint64_t, 2048> bytes{};
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int k = 0; k < 8; ++k) {
      const int value = static_cast<int>(levelOf<8>(points[i], k)) - 1;
      bytes[i] |= static_cast<uint64_t>(static_cast<uint8_t>(value)) << (8 * k);
    }
  }
  return bytes;
}

const std::array<uint64_t, 2048>& decodedPoints() {
  static const auto points = bytesOfPoints(gridIQ1().points());
  return points;
}

/// y = scale · (q + shift) for eight weights at a time.
struct Eighth {
  float scale;
  float shift;
};

QS_INLINE void decodeEighths(const int8_t* q, const Eighth* eighths, float* y) {
  if constexpr (kLanes <= 8) {
    for (int k = 0; k < 32; ++k) {
      for (int i = 8 * k; i < 8 * k + 8; i += kLanes) {
        store(y + i, splat(eighths[k].scale) * (toFloats(loadSignedBytes(q + i)) + splat(eighths[k].shift)));
      }
    }
  } else {
    // Two eighths to a vector.
    int32_t second[kLanes];
    for (int l = 0; l < kLanes; ++l) second[l] = l / 8;
    const Mask isSecond = load(second) > splat(0);
    for (int k = 0; k < 32; k += 2) {
      const F32 scale = select(isSecond, splat(eighths[k + 1].scale), splat(eighths[k].scale));
      const F32 shift = select(isSecond, splat(eighths[k + 1].shift), splat(eighths[k].shift));
      store(y + 8 * k, scale * (toFloats(loadSignedBytes(q + 8 * k)) + shift));
    }
  }
}

}  // namespace

void encodeIQ1_S(const float* x, void* out, Rows rows) {
  auto* target = static_cast<BlockIQ1_S*>(out);
  const Grid& grid = gridIQ1();
  const size_t blocks = rows.count * rows.columns / kSuperBlock;
  for (size_t first = 0; first < blocks; first += kLanes) {
    const Lanes lanes = lanesFrom(x, first, blocks, kSuperBlock, rows.importance, rows.columns);
    const F32 sigma2 = sigma2Of(lanes);
    LaneSplit<32> splits[8][kLanes];
    for (int j = 0; j < 8; ++j) splitLanes<32>(lanes, j, sigma2, kNegligibleIQ1_S, splits[j]);
    for (size_t lane = 0; lane < kLanes && first + lane < blocks; ++lane) {
      finishIQ1_S(grid, lanes.x[lane], lanes.importance[lane], splits, lane, target[first + lane]);
    }
  }
}

void encodeIQ1_M(const float* x, void* out, Rows rows) {
  auto* target = static_cast<BlockIQ1_M*>(out);
  const Grid& grid = gridIQ1();
  const size_t blocks = rows.count * rows.columns / kSuperBlock;
  for (size_t first = 0; first < blocks; first += kLanes) {
    const Lanes lanes = lanesFrom(x, first, blocks, kSuperBlock, rows.importance, rows.columns);
    const F32 sigma2 = sigma2Of(lanes);
    LaneSplit<16> splits[16][kLanes];
    for (int j = 0; j < 16; ++j) splitLanes<16>(lanes, j, sigma2, kNegligibleIQ1_M, splits[j]);
    for (size_t lane = 0; lane < kLanes && first + lane < blocks; ++lane) {
      finishIQ1_M(grid, lanes.x[lane], lanes.importance[lane], splits, lane, target[first + lane]);
    }
  }
}

void decodeIQ1_S(const void* in, float* y, size_t n) {
  const auto& points = decodedPoints();
  const auto* block = static_cast<const BlockIQ1_S*>(in);
  for (size_t left = n / kSuperBlock; left > 0; --left, ++block, y += kSuperBlock) {
    const float d = floatFromHalf(block->d);
    int8_t q[kSuperBlock];
    Eighth eighths[32];
    for (int k = 0; k < 32; ++k) {
      const int word = block->qh[k / 4];
      const size_t index = static_cast<size_t>(block->qs[k] | (((word >> (3 * (k % 4))) & 7) << 8));
      std::memcpy(q + 8 * k, &points[index], 8);
      eighths[k] = {d * static_cast<float>(2 * ((word >> 12) & 7) + 1), (word & 0x8000) != 0 ? -kShift : kShift};
    }
    decodeEighths(q, eighths, y);
  }
}

void decodeIQ1_M(const void* in, float* y, size_t n) {
  const auto& points = decodedPoints();
  const auto* block = static_cast<const BlockIQ1_M*>(in);
  for (size_t left = n / kSuperBlock; left > 0; --left, ++block, y += kSuperBlock) {
    uint16_t words[4];
    std::memcpy(words, block->scales, sizeof words);
    uint32_t stored = 0;
    for (int i = 0; i < 4; ++i) stored |= static_cast<uint32_t>(words[i] >> 12) << (4 * i);
    const float d = floatFromHalf(static_cast<uint16_t>(stored));
    float scales[8];
    for (int i = 0; i < 8; ++i) scales[i] = d * static_cast<float>(2 * i + 1);
    int8_t q[kSuperBlock];
    Eighth eighths[32];
    for (int j = 0; j < 16; ++j) {
      const int high = block->qh[j];
      const float scale = scales[(words[j / 4] >> (3 * (j % 4))) & 7];
      std::memcpy(q + 16 * j, &points[static_cast<size_t>(block->qs[2 * j] | ((high & 0x07) << 8))], 8);
      std::memcpy(q + 16 * j + 8, &points[static_cast<size_t>(block->qs[2 * j + 1] | ((high & 0x70) << 4))], 8);
      eighths[2 * j] = {scale, (high & 0x08) != 0 ? -kShift : kShift};
      eighths[2 * j + 1] = {scale, (high & 0x80) != 0 ? -kShift : kShift};
    }
    decodeEighths(q, eighths, y);
  }
}

}  // namespace qs::QS_TARGET
