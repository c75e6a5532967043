#include "legacy.h"

#include <cstring>

#include "blocks.h"
#include "fits.h"
#include "floats.h"
#include "groups.h"

namespace qs::QS_TARGET {
namespace {

constexpr int kHalf = kBlock / 2;

// Encoders without a search are bound by memory; they prefetch this many weights ahead.
constexpr size_t kAhead = 4096;

/// Calls encode(x, block) for every block of a type whose blocks do not depend on each other.
template <typename Block, typename Encode>
QS_INLINE void encodeEach(const float* x, Rows rows, Block* blocks, size_t size, const Encode& encode) {
  for (size_t left = rows.count * rows.columns / size; left > 0; --left, x += size, ++blocks) {
    for (size_t i = 0; i < size; i += 16) prefetch(x + kAhead + i);
    encode(x, *blocks);
  }
}

/// Lane masks of a whole block, bit i of the result for weight i.
template <typename Test>
QS_INLINE uint32_t blockBits(const Test& test) {
  uint32_t bits = 0;
  for (int i = 0; i < kBlock; i += kLanes) bits |= laneBits(test(i)) << i;
  return bits;
}

/// The nibbles of a block: weight i in the low half of byte i, weight i + 16 in the high half.
template <typename CodeAt>
QS_INLINE void packNibbles(uint8_t* qs, const CodeAt& codeAt) {
  for (int i = 0; i < kHalf; i += kLanes) {
    storeBytes(qs + i, (codeAt(i) & splat(15)) | ((codeAt(i + kHalf) & splat(15)) << 4));
  }
}

/// The same, and the fifth bits as one word.
template <typename CodeAt>
QS_INLINE void packFiveBits(uint8_t* qs, uint8_t* qh, const CodeAt& codeAt) {
  packNibbles(qs, codeAt);
  const uint32_t fifths = blockBits([&](int i) { return (codeAt(i) & splat(16)) == splat(16); });
  std::memcpy(qh, &fifths, sizeof fifths);
}

/// What a search over a batch of blocks finds for each of them.
struct Found {
  float scale[kLanes];
  float minimum[kLanes];
  uint8_t codes[kBlock][kLanes];
};

/// Codes of one block, from the columns of a batch.
QS_INLINE void codesOfLane(const Found& found, size_t lane, uint8_t* codes) {
  for (int i = 0; i < kBlock; ++i) codes[i] = found.codes[i][lane];
}

/// Σx²/n of each row, summed in order; lanes are rows.
void meanSquares(const float* x, Rows rows, size_t firstRow, float* sigma2) {
  const Lanes lanes = lanesFrom(x, firstRow, rows.count, rows.columns, nullptr, rows.columns);
  F32 squares = zeroFloats();
  Runs<16> values;
  for (size_t i = 0; i < rows.columns; i += 16) {
    loadGroups(lanes, i, values);
    for (const F32& value : values.at) squares = squares + value * value;
  }
  store(sigma2, squares / splat(static_cast<float>(rows.columns)));
}

/// Calls search(x, w, found) for batches of blocks with w = importance · √(σ² + x²), σ² of the row, and then
/// finish(block, lane, found) for every block.
template <typename Search, typename Finish>
QS_INLINE void searchBlocks(const float* x, Rows rows, const Search& search, const Finish& finish) {
  const size_t perRow = rows.columns / kBlock;
  for (size_t firstRow = 0; firstRow < rows.count; firstRow += kLanes) {
    const size_t rowCount = rows.count - firstRow < kLanes ? rows.count - firstRow : kLanes;
    float sigma2[kLanes];
    meanSquares(x, rows, firstRow, sigma2);
    const size_t start = firstRow * perRow;
    const size_t count = rowCount * perRow;
    for (size_t first = 0; first < count; first += kLanes) {
      const Lanes lanes = lanesFrom(x + start * kBlock, first, count, kBlock, rows.importance, rows.columns);
      float blockSigma2[kLanes];
      for (size_t l = 0; l < kLanes; ++l) {
        const size_t block = first + l < count ? first + l : count - 1;
        blockSigma2[l] = sigma2[block / perRow];
      }
      Runs<kBlock> values;
      Runs<kBlock> w;
      loadGroups(lanes, 0, values);
      loadRuns(lanes.importance, 0, w);
      for (int i = 0; i < kBlock; ++i) w.at[i] = importanceWeight(w.at[i], load(blockSigma2), values.at[i]);
      Found found;
      search(values.at, w.at, found);
      for (size_t l = 0; l < kLanes && first + l < count; ++l) finish(start + first + l, l, found);
    }
  }
}

template <int kLargest>
QS_INLINE void searchSymmetric(const F32* x, const F32* w, Found& found) {
  const SymmetricFit fit = fitSymmetric<kBlock, kLargest>(x, w);
  store(found.scale, fit.scale);
  for (int i = 0; i < kBlock; ++i) {
    const I32 code = truncated(nearestCode(fit.inverse * x[i], -kLargest, kLargest - 1)) + splat(kLargest);
    storeBytes(found.codes[i], select(fit.negligible, splat(0), code));
  }
}

template <int kLargest>
QS_INLINE void searchAffine(const F32* x, const F32* w, Found& found) {
  const AffineFit fit = fitAffine<kBlock, kLargest, Distance::Squared>(x, w, {-0.9f, 0.05f, 36});
  store(found.scale, fit.scale);
  store(found.minimum, fit.minimum);
  for (int i = 0; i < kBlock; ++i) {
    storeBytes(found.codes[i], truncated(nearestCode(fit.inverse * (x[i] - fit.base), 0, kLargest)));
  }
}

/// Rounds x/d + offset + ½ down by truncation, as a signed byte of at most `largest`.
QS_INLINE I32 truncatedCode(F32 scaled, float offset, int largest) {
  return smaller(asSignedByte(truncated(scaled + splat(offset))), splat(largest));
}

}  // namespace

// d is the mean magnitude.
void encodeQ1_0(const float* x, void* out, Rows rows) {
  constexpr size_t kSize = 128;
  auto* target = static_cast<BlockQ1_0*>(out);
  const size_t blocks = rows.count * rows.columns / kSize;
  for (size_t first = 0; first < blocks; first += kLanes) {
    const Lanes lanes = lanesFrom(x, first, blocks, kSize, nullptr, rows.columns);
    F32 sum = zeroFloats();
    Runs<16> values;
    for (size_t i = 0; i < kSize; i += 16) {
      loadGroups(lanes, i, values);
      for (const F32& value : values.at) sum = sum + magnitude(value);
    }
    float d[kLanes];
    store(d, sum / splat(static_cast<float>(kSize)));
    for (size_t lane = 0; lane < kLanes && first + lane < blocks; ++lane) {
      BlockQ1_0& block = target[first + lane];
      block.d = halfFromFloat(d[lane]);
      for (size_t part = 0; part < kSize; part += kBlock) {
        const uint32_t bits = blockBits([&](int i) { return load(lanes.x[lane] + part + i) >= zeroFloats(); });
        std::memcpy(block.qs + part / 8, &bits, sizeof bits);
      }
    }
  }
}

// d is the largest magnitude, so that only the codes of −d, 0 and d occur.
void encodeQ2_0(const float* x, void* out, Rows rows) {
  constexpr size_t kSize = 64;
  auto* blocks = static_cast<BlockQ2_0*>(out);
  encodeEach(x, rows, blocks, kSize, [](const float* from, auto& block) {
    const float d = largestMagnitude<kSize>(from);
    const float inverse = d > 0.0f ? 1.0f / d : 0.0f;
    block.d = halfFromFloat(d);
    uint8_t codes[kSize];
    for (size_t i = 0; i < kSize; i += kLanes) {
      const I32 code = truncated(roundedAway(load(from + i) * splat(inverse))) + splat(1);
      storeBytes(codes + i, smaller(larger(code, splat(0)), splat(3)));
    }
    for (size_t i = 0; i < 16; ++i) {
      const uint8_t* q = codes + 4 * i;
      block.qs[i] = static_cast<uint8_t>(q[0] | (q[1] << 2) | (q[2] << 4) | (q[3] << 6));
    }
  });
}

// The weight of largest magnitude is mapped to −8, the code with the larger reach.
void encodeQ4_0(const float* x, void* out, Rows rows) {
  auto* blocks = static_cast<BlockQ4_0*>(out);
  if (rows.importance != nullptr) {
    searchBlocks(
        x, rows, [](const F32* values, const F32* w, Found& found) { searchSymmetric<8>(values, w, found); },
        [&](size_t index, size_t lane, const Found& found) {
          uint8_t codes[kBlock];
          codesOfLane(found, lane, codes);
          blocks[index].d = halfFromFloat(found.scale[lane]);
          packNibbles(blocks[index].qs, [&](int i) { return loadBytes(codes + i); });
        });
    return;
  }
  encodeEach(x, rows, blocks, kBlock, [](const float* from, auto& block) {
    const float d = extremeWeight<kBlock>(from) / -8;
    const F32 inverse = splat(reciprocalOrZero(d));
    block.d = halfFromFloat(d);
    for (int i = 0; i < kHalf; i += kLanes) {
      const I32 low = truncatedCode(load(from + i) * inverse, 8.5f, 15);
      const I32 high = truncatedCode(load(from + i + kHalf) * inverse, 8.5f, 15);
      storeBytes(block.qs + i, low | (high << 4));
    }
  });
}

void encodeQ4_1(const float* x, void* out, Rows rows) {
  auto* blocks = static_cast<BlockQ4_1*>(out);
  if (rows.importance != nullptr) {
    searchBlocks(
        x, rows, [](const F32* values, const F32* w, Found& found) { searchAffine<15>(values, w, found); },
        [&](size_t index, size_t lane, const Found& found) {
          uint8_t codes[kBlock];
          codesOfLane(found, lane, codes);
          blocks[index].d = halfFromFloat(found.scale[lane]);
          blocks[index].m = halfFromFloat(-found.minimum[lane]);
          packNibbles(blocks[index].qs, [&](int i) { return loadBytes(codes + i); });
        });
    return;
  }
  encodeEach(x, rows, blocks, kBlock, [](const float* from, auto& block) {
    const Span span = spanOf<kBlock>(from);
    const float d = (span.max - span.min) / 15;
    const F32 inverse = splat(reciprocalOrZero(d));
    block.d = halfFromFloat(d);
    block.m = halfFromFloat(span.min);
    for (int i = 0; i < kHalf; i += kLanes) {
      const I32 low = truncatedCode((load(from + i) - splat(span.min)) * inverse, 0.5f, 15);
      const I32 high = truncatedCode((load(from + i + kHalf) - splat(span.min)) * inverse, 0.5f, 15);
      storeBytes(block.qs + i, low | (high << 4));
    }
  });
}

void encodeQ5_0(const float* x, void* out, Rows rows) {
  auto* blocks = static_cast<BlockQ5_0*>(out);
  if (rows.importance != nullptr) {
    searchBlocks(
        x, rows, [](const F32* values, const F32* w, Found& found) { searchSymmetric<16>(values, w, found); },
        [&](size_t index, size_t lane, const Found& found) {
          uint8_t codes[kBlock];
          codesOfLane(found, lane, codes);
          blocks[index].d = halfFromFloat(found.scale[lane]);
          packFiveBits(blocks[index].qs, blocks[index].qh, [&](int i) { return loadBytes(codes + i); });
        });
    return;
  }
  encodeEach(x, rows, blocks, kBlock, [](const float* from, auto& block) {
    const float d = extremeWeight<kBlock>(from) / -16;
    const F32 inverse = splat(reciprocalOrZero(d));
    block.d = halfFromFloat(d);
    packFiveBits(block.qs, block.qh, [&](int i) { return truncatedCode(load(from + i) * inverse, 16.5f, 31); });
  });
}

void encodeQ5_1(const float* x, void* out, Rows rows) {
  auto* blocks = static_cast<BlockQ5_1*>(out);
  if (rows.importance != nullptr) {
    searchBlocks(
        x, rows, [](const F32* values, const F32* w, Found& found) { searchAffine<31>(values, w, found); },
        [&](size_t index, size_t lane, const Found& found) {
          uint8_t codes[kBlock];
          codesOfLane(found, lane, codes);
          blocks[index].d = halfFromFloat(found.scale[lane]);
          blocks[index].m = halfFromFloat(-found.minimum[lane]);
          packFiveBits(blocks[index].qs, blocks[index].qh, [&](int i) { return loadBytes(codes + i); });
        });
    return;
  }
  encodeEach(x, rows, blocks, kBlock, [](const float* from, auto& block) {
    const Span span = spanOf<kBlock>(from);
    const float d = (span.max - span.min) / 31;
    const F32 inverse = splat(reciprocalOrZero(d));
    block.d = halfFromFloat(d);
    block.m = halfFromFloat(span.min);
    packFiveBits(block.qs, block.qh, [&](int i) {
      return truncated((load(from + i) - splat(span.min)) * inverse + splat(0.5f));
    });
  });
}

// Rounds half away from zero, as roundf does.
void encodeQ8_0(const float* x, void* out, Rows rows) {
  auto* blocks = static_cast<BlockQ8_0*>(out);
  encodeEach(x, rows, blocks, kBlock, [](const float* from, auto& block) {
    const float d = largestMagnitude<kBlock>(from) / 127;
    const F32 inverse = splat(reciprocalOrZero(d));
    block.d = halfFromFloat(d);
    for (int i = 0; i < kBlock; i += kLanes) {
      storeBytes(reinterpret_cast<uint8_t*>(block.qs) + i, truncated(roundedAway(load(from + i) * inverse)));
    }
  });
}

void decodeQ1_0(const void* in, float* y, size_t n) {
  constexpr size_t kSize = 128;
  const auto* block = static_cast<const BlockQ1_0*>(in);
  int32_t bit[kLanes];
  for (int l = 0; l < kLanes; ++l) bit[l] = 1 << l;
  for (size_t left = n / kSize; left > 0; --left, y += kSize, ++block) {
    const F32 d = splat(floatFromHalf(block->d));
    for (size_t part = 0; part < kSize; part += 16) {
      const int bits = block->qs[part / 8] | (block->qs[part / 8 + 1] << 8);
      for (int i = 0; i < 16; i += kLanes) {
        const I32 mine = splat(bits >> i) & load(bit);
        store(y + part + i, select(mine == splat(0), -d, d));
      }
    }
  }
}

void decodeQ2_0(const void* in, float* y, size_t n) {
  constexpr size_t kSize = 64;
  const auto* block = static_cast<const BlockQ2_0*>(in);
  for (size_t left = n / kSize; left > 0; --left, y += kSize, ++block) {
    uint8_t codes[kSize];
    for (size_t i = 0; i < 16; ++i) {
      // The four codes of a byte spread over the four bytes of a word.
      const uint32_t q = block->qs[i];
      const uint32_t spread = (q & 3) | ((q & 12) << 6) | ((q & 48) << 12) | ((q & 192) << 18);
      std::memcpy(codes + 4 * i, &spread, sizeof spread);
    }
    const F32 d = splat(floatFromHalf(block->d));
    for (size_t i = 0; i < kSize; i += kLanes) store(y + i, toFloats(loadBytes(codes + i) - splat(1)) * d);
  }
}

void decodeQ4_0(const void* in, float* y, size_t n) {
  const auto* block = static_cast<const BlockQ4_0*>(in);
  for (size_t left = n / kBlock; left > 0; --left, y += kBlock, ++block) {
    const F32 d = splat(floatFromHalf(block->d));
    for (int i = 0; i < kHalf; i += kLanes) {
      const I32 q = loadBytes(block->qs + i);
      store(y + i, toFloats((q & splat(15)) - splat(8)) * d);
      store(y + i + kHalf, toFloats((q >> 4) - splat(8)) * d);
    }
  }
}

void decodeQ4_1(const void* in, float* y, size_t n) {
  const auto* block = static_cast<const BlockQ4_1*>(in);
  for (size_t left = n / kBlock; left > 0; --left, y += kBlock, ++block) {
    const F32 d = splat(floatFromHalf(block->d));
    const F32 m = splat(floatFromHalf(block->m));
    for (int i = 0; i < kHalf; i += kLanes) {
      const I32 q = loadBytes(block->qs + i);
      store(y + i, toFloats(q & splat(15)) * d + m);
      store(y + i + kHalf, toFloats(q >> 4) * d + m);
    }
  }
}

namespace {

/// Calls emit(i, codes) with the 5-bit codes of kLanes weights from weight i on.
template <typename Emit>
QS_INLINE void unpackFiveBits(const uint8_t* qs, const uint8_t* qh, const Emit& emit) {
  int32_t bit[kLanes];
  for (int l = 0; l < kLanes; ++l) bit[l] = 1 << l;
  uint32_t fifths;
  std::memcpy(&fifths, qh, sizeof fifths);
  const auto fifthsAt = [&](int i) {
    const I32 mine = splat(static_cast<int32_t>(fifths >> i)) & load(bit);
    return select(mine == splat(0), splat(0), splat(16));
  };
  for (int i = 0; i < kHalf; i += kLanes) {
    const I32 q = loadBytes(qs + i);
    emit(i, (q & splat(15)) | fifthsAt(i));
    emit(i + kHalf, (q >> 4) | fifthsAt(i + kHalf));
  }
}

}  // namespace

void decodeQ5_0(const void* in, float* y, size_t n) {
  const auto* block = static_cast<const BlockQ5_0*>(in);
  for (size_t left = n / kBlock; left > 0; --left, y += kBlock, ++block) {
    const F32 d = splat(floatFromHalf(block->d));
    unpackFiveBits(block->qs, block->qh, [&](int i, I32 q) { store(y + i, toFloats(q - splat(16)) * d); });
  }
}

void decodeQ5_1(const void* in, float* y, size_t n) {
  const auto* block = static_cast<const BlockQ5_1*>(in);
  for (size_t left = n / kBlock; left > 0; --left, y += kBlock, ++block) {
    const F32 d = splat(floatFromHalf(block->d));
    const F32 m = splat(floatFromHalf(block->m));
    unpackFiveBits(block->qs, block->qh, [&](int i, I32 q) { store(y + i, toFloats(q) * d + m); });
  }
}

void decodeQ8_0(const void* in, float* y, size_t n) {
  const auto* block = static_cast<const BlockQ8_0*>(in);
  for (size_t left = n / kBlock; left > 0; --left, y += kBlock, ++block) {
    const F32 d = splat(floatFromHalf(block->d));
    for (int i = 0; i < kBlock; i += kLanes) store(y + i, toFloats(loadSignedBytes(block->qs + i)) * d);
  }
}

}  // namespace qs::QS_TARGET
