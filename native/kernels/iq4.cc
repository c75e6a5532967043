#include "iq4.h"

#include <cmath>

#include "blocks.h"
#include "fits.h"
#include "floats.h"

namespace qs::QS_TARGET {
namespace {

// The table of llama.cpp's IQ4_NL: denser around zero, as weights are.
constexpr float kTable[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// Tables for lookups: the values, and for every step of a binary search the midpoint that decides it.
struct Values {
  Table16 entry;
  Table16 midpoint;  // between entries i − 1 and i
};

QS_INLINE Values values() {
  float midpoints[16] = {0};
  for (int i = 1; i < 16; ++i) midpoints[i] = (kTable[i - 1] + kTable[i]) * 0.5f;
  return {table16(kTable), table16(midpoints)};
}

/// Index of the nearest entry, the higher of equals; the last for NaN, which a block beyond float32's range can produce.
QS_INLINE I32 nearestEntry(const Values& table, F32 x) {
  constexpr float kMiddle = (kTable[7] + kTable[8]) * 0.5f;
  I32 index = select(x < splat(kMiddle), splat(0), splat(8));
  for (int step = 4; step > 0; step /= 2) {
    const I32 next = index + splat(step);
    index = select(x < lookup(table.midpoint, next), index, next);
  }
  return index;
}

/// Minimises Σ w·(d·table[q] − x)²: inverse scales around −127/x of the weight of largest magnitude, the best
/// least-squares scale by (Σ w·x·v)² / Σ w·v². Zero for a negligible group.
QS_INLINE F32 fitTable(const Values& table, const F32* x, const F32* w) {
  const Extreme extreme = extremeOf<kBlock>(x);
  F32 sumQx;
  F32 sumQ2;
  const auto attempt = [&](F32 inverse) {
    sumQx = zeroFloats();
    sumQ2 = zeroFloats();
    for (int i = 0; i < kBlock; ++i) {
      const F32 q = lookup(table.entry, nearestEntry(table, inverse * x[i]));
      const F32 weighted = w[i] * q;
      sumQx = sumQx + weighted * x[i];
      sumQ2 = sumQ2 + weighted * q;
    }
  };
  attempt(splat(1.0f) / (-extreme.value / splat(kTable[0])));
  F32 d = select(sumQ2 > zeroFloats(), sumQx / sumQ2, zeroFloats());
  F32 best = d * sumQx;
  for (int step = -7; step <= 7; ++step) {
    attempt(splat(static_cast<float>(step) + kTable[0]) / extreme.value);
    const Mask better = (sumQ2 > zeroFloats()) & (sumQx * sumQx > best * sumQ2);
    d = select(better, sumQx / sumQ2, d);
    best = select(better, d * sumQx, best);
  }
  return select(extreme.magnitude < splat(kNegligible), zeroFloats(), d);
}

/// w = x², or importance · √(σ² + x²).
QS_INLINE void loadWeights(const Lanes& lanes, size_t offset, F32 sigma2, const F32* x, Runs<kBlock>& w) {
  if (lanes.importance[0] == nullptr) {
    for (int i = 0; i < kBlock; ++i) w.at[i] = x[i] * x[i];
    return;
  }
  loadRuns(lanes.importance, offset, w);
  for (int i = 0; i < kBlock; ++i) w.at[i] = importanceWeight(w.at[i], sigma2, x[i]);
}

/// Nibbles of 32 weights, coded with the given inverse scale.
QS_INLINE void packBlock(const Values& table, const float* x, float inverse, uint8_t* qs) {
  for (int i = 0; i < kBlock / 2; i += kLanes) {
    const I32 low = nearestEntry(table, splat(inverse) * load(x + i));
    const I32 high = nearestEntry(table, splat(inverse) * load(x + i + kBlock / 2));
    storeBytes(qs + i, low | (high << 4));
  }
}

void finishIQ4_XS(const Values& table, const float* x, const float scales[8][kLanes], size_t lane, BlockIQ4_XS& block) {
  float extreme = 0;
  for (int j = 0; j < 8; ++j) {
    const float scale = scales[j][lane];
    if (std::fabs(scale) > std::fabs(extreme)) extreme = scale;
  }
  const float d = -extreme / 32;
  const float inverse = d != 0.0f ? 1 / d : 0.0f;
  block.d = halfFromFloat(d);
  int high = 0;
  for (int j = 0; j < 8; ++j) {
    int scale = nearestInt(inverse * scales[j][lane]);
    scale = scale < -32 ? -32 : scale > 31 ? 31 : scale;
    const float stored = d * static_cast<float>(scale);
    packBlock(table, x + j * kBlock, stored != 0.0f ? 1 / stored : 0.0f, block.qs + j * 16);
    scale += 32;
    uint8_t& low = block.scales_l[j / 2];
    low = static_cast<uint8_t>(j % 2 == 0 ? scale & 15 : low | ((scale & 15) << 4));
    high |= (scale >> 4) << (2 * j);
  }
  block.scales_h = static_cast<uint16_t>(high);
}

/// Decodes 32 weights of nibbles.
QS_INLINE void unpackBlock(const Values& table, const uint8_t* qs, float scale, float* y) {
  for (int i = 0; i < kBlock / 2; i += kLanes) {
    const I32 q = loadBytes(qs + i);
    store(y + i, splat(scale) * lookup(table.entry, q));
    store(y + i + kBlock / 2, splat(scale) * lookup(table.entry, q >> 4));
  }
}

}  // namespace

void encodeIQ4_NL(const float* x, void* out, Rows rows) {
  auto* target = static_cast<BlockIQ4_NL*>(out);
  const Values table = values();
  const size_t blocks = rows.count * rows.columns / kBlock;
  for (size_t first = 0; first < blocks; first += kLanes) {
    const Lanes lanes = lanesFrom(x, first, blocks, kBlock, rows.importance, rows.columns);
    Runs<kBlock> weights;
    loadGroups(lanes, 0, weights);
    F32 squares = zeroFloats();
    for (const F32& weight : weights.at) squares = squares + weight * weight;
    Runs<kBlock> w;
    loadWeights(lanes, 0, squares * splat(2.0f / kBlock), weights.at, w);
    float d[kLanes];
    store(d, fitTable(table, weights.at, w.at));
    for (size_t lane = 0; lane < kLanes && first + lane < blocks; ++lane) {
      BlockIQ4_NL& block = target[first + lane];
      block.d = halfFromFloat(d[lane]);
      packBlock(table, lanes.x[lane], d[lane] != 0.0f ? 1 / d[lane] : 0.0f, block.qs);
    }
  }
}

void encodeIQ4_XS(const float* x, void* out, Rows rows) {
  auto* target = static_cast<BlockIQ4_XS*>(out);
  const Values table = values();
  const size_t blocks = rows.count * rows.columns / kSuperBlock;
  for (size_t first = 0; first < blocks; first += kLanes) {
    const Lanes lanes = lanesFrom(x, first, blocks, kSuperBlock, rows.importance, rows.columns);
    Runs<kBlock> weights;
    Runs<kBlock> w;
    F32 squares = zeroFloats();
    for (size_t j = 0; j < 8 && rows.importance != nullptr; ++j) {
      loadGroups(lanes, j * kBlock, weights);
      for (const F32& weight : weights.at) squares = squares + weight * weight;
    }
    const F32 sigma2 = squares * splat(2.0f / kSuperBlock);
    float scales[8][kLanes];
    for (size_t j = 0; j < 8; ++j) {
      loadGroups(lanes, j * kBlock, weights);
      loadWeights(lanes, j * kBlock, sigma2, weights.at, w);
      store(scales[j], fitTable(table, weights.at, w.at));
    }
    for (size_t lane = 0; lane < kLanes && first + lane < blocks; ++lane) {
      finishIQ4_XS(table, lanes.x[lane], scales, lane, target[first + lane]);
    }
  }
}

void decodeIQ4_NL(const void* in, float* y, size_t n) {
  const auto* block = static_cast<const BlockIQ4_NL*>(in);
  const Values table = values();
  for (size_t left = n / kBlock; left > 0; --left, y += kBlock, ++block) {
    unpackBlock(table, block->qs, floatFromHalf(block->d), y);
  }
}

void decodeIQ4_XS(const void* in, float* y, size_t n) {
  const auto* block = static_cast<const BlockIQ4_XS*>(in);
  const Values table = values();
  for (size_t left = n / kSuperBlock; left > 0; --left, ++block) {
    const float d = floatFromHalf(block->d);
    for (int j = 0; j < 8; ++j, y += kBlock) {
      const int low = (block->scales_l[j / 2] >> (4 * (j % 2))) & 15;
      const int high = (block->scales_h >> (2 * j)) & 3;
      unpackBlock(table, block->qs + j * 16, d * static_cast<float>((low | (high << 4)) - 32), y);
    }
  }
}

}  // namespace qs::QS_TARGET
