#include "lattice_parts.h"

#include <cstring>

#include "floats.h"

namespace qs {
namespace {

template <typename Block>
const Block& blockAt(const uint8_t* at) {
  return *reinterpret_cast<const Block*>(at);
}
/// The block at an address, with all bits zero.
template <typename Block>
Block& cleared(uint8_t* at) {
  std::memset(at, 0, sizeof(Block));
  return *reinterpret_cast<Block*>(at);
}

template <typename To>
void setBits(To& to, uint32_t bits) {
  to = static_cast<To>(to | bits);
}

void readNibbles(const uint8_t* packed, size_t count, int* scales) {
  for (size_t j = 0; j < count; ++j) scales[j] = (packed[j / 2] >> (4 * (j % 2))) & 15;
}
void writeNibbles(const int* scales, size_t count, uint8_t* packed) {
  for (size_t j = 0; j < count; ++j) setBits(packed[j / 2], static_cast<uint32_t>(scales[j]) << (4 * (j % 2)));
}

/// A word of four 7-bit sign patterns and a 4-bit scale, for 32 weights.
void readSignWord(uint32_t word, Octet* octets, int& scale) {
  for (size_t k = 0; k < 4; ++k) octets[k].signs = evenSigns((word >> (7 * k)) & 127);
  scale = static_cast<int>(word >> 28);
}
uint32_t signWord(const Octet* octets, int scale) {
  uint32_t word = static_cast<uint32_t>(scale) << 28;
  for (size_t k = 0; k < 4; ++k) word |= static_cast<uint32_t>(octets[k].signs & 127) << (7 * k);
  return word;
}

LatticeBlock readIQ2_XXS(const uint8_t* block) {
  const auto& from = blockAt<BlockIQ2_XXS>(block);
  LatticeBlock found{};
  found.scales.d = floatFromHalf(from.d);
  for (size_t j = 0; j < 8; ++j) {
    uint32_t words[2];
    std::memcpy(words, from.qs + 4 * j, sizeof words);
    for (size_t k = 0; k < 4; ++k) found.octets[4 * j + k].points[0] = (words[0] >> (8 * k)) & 255;
    readSignWord(words[1], found.octets + 4 * j, found.scales.scales[j]);
  }
  return found;
}

void writeIQ2_XXS(uint8_t* block, const LatticeBlock& from) {
  auto& to = cleared<BlockIQ2_XXS>(block);
  to.d = halfFromFloat(from.scales.d);
  for (size_t j = 0; j < 8; ++j) {
    const Octet* octets = from.octets + 4 * j;
    uint32_t words[2] = {0, signWord(octets, from.scales.scales[j])};
    for (size_t k = 0; k < 4; ++k) words[0] |= static_cast<uint32_t>(octets[k].points[0]) << (8 * k);
    std::memcpy(to.qs + 4 * j, words, sizeof words);
  }
}

LatticeBlock readIQ2_XS(const uint8_t* block) {
  const auto& from = blockAt<BlockIQ2_XS>(block);
  LatticeBlock found{};
  found.scales.d = floatFromHalf(from.d);
  readNibbles(from.scales, 16, found.scales.scales);
  for (size_t k = 0; k < kOctets; ++k) {
    found.octets[k].points[0] = from.qs[k] & 511;
    found.octets[k].signs = evenSigns(from.qs[k] >> 9);
  }
  return found;
}

void writeIQ2_XS(uint8_t* block, const LatticeBlock& from) {
  auto& to = cleared<BlockIQ2_XS>(block);
  to.d = halfFromFloat(from.scales.d);
  writeNibbles(from.scales.scales, 16, to.scales);
  for (size_t k = 0; k < kOctets; ++k) {
    to.qs[k] = static_cast<uint16_t>(from.octets[k].points[0] | ((from.octets[k].signs & 127) << 9));
  }
}

LatticeBlock readIQ2_S(const uint8_t* block) {
  const auto& from = blockAt<BlockIQ2_S>(block);
  LatticeBlock found{};
  found.scales.d = floatFromHalf(from.d);
  readNibbles(from.scales, 16, found.scales.scales);
  for (size_t k = 0; k < kOctets; ++k) {
    const int high = (from.qh[k / 4] >> (2 * (k % 4))) & 3;
    found.octets[k].points[0] = static_cast<uint16_t>(from.qs[k] | (high << 8));
    found.octets[k].signs = from.qs[kOctets + k];
  }
  return found;
}

void writeIQ2_S(uint8_t* block, const LatticeBlock& from) {
  auto& to = cleared<BlockIQ2_S>(block);
  to.d = halfFromFloat(from.scales.d);
  writeNibbles(from.scales.scales, 16, to.scales);
  for (size_t k = 0; k < kOctets; ++k) {
    const uint32_t point = from.octets[k].points[0];
    to.qs[k] = static_cast<uint8_t>(point);
    setBits(to.qh[k / 4], (point >> 8) << (2 * (k % 4)));
    to.qs[kOctets + k] = from.octets[k].signs;
  }
}

LatticeBlock readIQ3_XXS(const uint8_t* block) {
  const auto& from = blockAt<BlockIQ3_XXS>(block);
  LatticeBlock found{};
  found.scales.d = floatFromHalf(from.d);
  uint32_t words[8];
  std::memcpy(words, from.qs + kSuperBlock / 4, sizeof words);
  for (size_t k = 0; k < kOctets; ++k) {
    found.octets[k].points[0] = from.qs[2 * k];
    found.octets[k].points[1] = from.qs[2 * k + 1];
  }
  for (size_t j = 0; j < 8; ++j) readSignWord(words[j], found.octets + 4 * j, found.scales.scales[j]);
  return found;
}

void writeIQ3_XXS(uint8_t* block, const LatticeBlock& from) {
  auto& to = cleared<BlockIQ3_XXS>(block);
  to.d = halfFromFloat(from.scales.d);
  uint32_t words[8];
  for (size_t j = 0; j < 8; ++j) words[j] = signWord(from.octets + 4 * j, from.scales.scales[j]);
  for (size_t k = 0; k < 2 * kOctets; ++k) to.qs[k] = static_cast<uint8_t>(from.octets[k / 2].points[k % 2]);
  std::memcpy(to.qs + kSuperBlock / 4, words, sizeof words);
}

LatticeBlock readIQ3_S(const uint8_t* block) {
  const auto& from = blockAt<BlockIQ3_S>(block);
  LatticeBlock found{};
  found.scales.d = floatFromHalf(from.d);
  readNibbles(from.scales, 8, found.scales.scales);
  for (size_t k = 0; k < 2 * kOctets; ++k) {
    const int high = (from.qh[k / 8] >> (k % 8)) & 1;
    found.octets[k / 2].points[k % 2] = static_cast<uint16_t>(from.qs[k] | (high << 8));
  }
  for (size_t k = 0; k < kOctets; ++k) found.octets[k].signs = from.signs[k];
  return found;
}

void writeIQ3_S(uint8_t* block, const LatticeBlock& from) {
  auto& to = cleared<BlockIQ3_S>(block);
  to.d = halfFromFloat(from.scales.d);
  writeNibbles(from.scales.scales, 8, to.scales);
  for (size_t k = 0; k < 2 * kOctets; ++k) {
    const uint32_t point = from.octets[k / 2].points[k % 2];
    to.qs[k] = static_cast<uint8_t>(point);
    setBits(to.qh[k / 8], (point >> 8) << (k % 8));
  }
  for (size_t k = 0; k < kOctets; ++k) to.signs[k] = from.octets[k].signs;
}

LatticeBlock readIQ1_S(const uint8_t* block) {
  const auto& from = blockAt<BlockIQ1_S>(block);
  LatticeBlock found{};
  found.scales.d = floatFromHalf(from.d);
  for (size_t k = 0; k < kOctets; ++k) {
    const uint32_t word = from.qh[k / 4];
    found.octets[k].points[0] = static_cast<uint16_t>(from.qs[k] | (((word >> (3 * (k % 4))) & 7) << 8));
    found.octets[k].shift = (word & 0x8000) != 0;
    found.scales.scales[k / 4] = (word >> 12) & 7;
  }
  return found;
}

void writeIQ1_S(uint8_t* block, const LatticeBlock& from) {
  auto& to = cleared<BlockIQ1_S>(block);
  to.d = halfFromFloat(from.scales.d);
  for (size_t k = 0; k < kOctets; ++k) {
    const Octet& octet = from.octets[k];
    to.qs[k] = static_cast<uint8_t>(octet.points[0]);
    const int scale = from.scales.scales[k / 4] | (octet.shift << 3);
    setBits(to.qh[k / 4], static_cast<uint32_t>(octet.points[0] >> 8) << (3 * (k % 4)) | static_cast<uint32_t>(scale) << 12);
  }
}

LatticeBlock readIQ1_M(const uint8_t* block) {
  const auto& from = blockAt<BlockIQ1_M>(block);
  LatticeBlock found{};
  uint16_t words[4];
  std::memcpy(words, from.scales, sizeof words);
  uint32_t stored = 0;
  for (size_t i = 0; i < 4; ++i) stored |= static_cast<uint32_t>(words[i] >> 12) << (4 * i);
  found.scales.d = floatFromHalf(static_cast<half>(stored));
  for (size_t j = 0; j < 16; ++j) found.scales.scales[j] = (words[j / 4] >> (3 * (j % 4))) & 7;
  for (size_t k = 0; k < kOctets; ++k) {
    const int high = (from.qh[k / 2] >> (4 * (k % 2))) & 15;
    found.octets[k].points[0] = static_cast<uint16_t>(from.qs[k] | ((high & 7) << 8));
    found.octets[k].shift = static_cast<uint8_t>(high >> 3);
  }
  return found;
}

void writeIQ1_M(uint8_t* block, const LatticeBlock& from) {
  auto& to = cleared<BlockIQ1_M>(block);
  const uint32_t stored = halfFromFloat(from.scales.d);
  uint16_t words[4];
  for (size_t i = 0; i < 4; ++i) words[i] = static_cast<uint16_t>(((stored >> (4 * i)) & 15) << 12);
  for (size_t j = 0; j < 16; ++j) setBits(words[j / 4], static_cast<uint32_t>(from.scales.scales[j]) << (3 * (j % 4)));
  std::memcpy(to.scales, words, sizeof words);
  for (size_t k = 0; k < kOctets; ++k) {
    const Octet& octet = from.octets[k];
    to.qs[k] = static_cast<uint8_t>(octet.points[0]);
    setBits(to.qh[k / 2], static_cast<uint32_t>((octet.points[0] >> 8) | (octet.shift << 3)) << (4 * (k % 2)));
  }
}

float odd(int code) { return static_cast<float>(2 * code + 1); }

constexpr ScaleCodes kFourBits{true, false, 0, 15, 0, 0, odd};
constexpr ScaleCodes kThreeBits{true, false, 0, 7, 0, 0, odd};

// d · (½ + code) / 4 of llama.cpp is d · (2 · code + 1) / 8: the eighth, or the quarter of IQ3_XXS, is in the levels.
constexpr LatticeParts kParts[] = {
    {"IQ2_XXS", sizeof(BlockIQ2_XXS), 32, 8, 3, OctetSigns::Even, 0, kFourBits, {1.0f, 3.125f, 5.375f}, gridIQ2_XXS,
     readIQ2_XXS, writeIQ2_XXS},
    {"IQ2_XS", sizeof(BlockIQ2_XS), 16, 8, 3, OctetSigns::Even, 0, kFourBits, {1.0f, 3.125f, 5.375f}, gridIQ2_XS,
     readIQ2_XS, writeIQ2_XS},
    {"IQ2_S", sizeof(BlockIQ2_S), 16, 8, 3, OctetSigns::All, 0, kFourBits, {1.0f, 3.125f, 5.375f}, gridIQ2_S,
     readIQ2_S, writeIQ2_S},
    {"IQ3_XXS", sizeof(BlockIQ3_XXS), 32, 4, 8, OctetSigns::Even, 0, kFourBits,
     {1.0f, 3.0f, 5.0f, 7.0f, 9.0f, 11.0f, 13.0f, 15.5f}, gridIQ3_XXS, readIQ3_XXS, writeIQ3_XXS},
    {"IQ3_S", sizeof(BlockIQ3_S), 32, 4, 8, OctetSigns::All, 0, kFourBits,
     {1.0f, 3.0f, 5.0f, 7.0f, 9.0f, 11.0f, 13.0f, 15.0f}, gridIQ3_S, readIQ3_S, writeIQ3_S},
    {"IQ1_S", sizeof(BlockIQ1_S), 32, 8, 3, OctetSigns::None, 32, kThreeBits, {-1.0f, 0.0f, 1.0f}, gridIQ1,
     readIQ1_S, writeIQ1_S},
    {"IQ1_M", sizeof(BlockIQ1_M), 16, 8, 3, OctetSigns::None, 8, kThreeBits, {-1.0f, 0.0f, 1.0f}, gridIQ1,
     readIQ1_M, writeIQ1_M},
};

}  // namespace

const LatticeParts* latticePartsOf(std::string_view type) {
  for (const LatticeParts& parts : kParts) {
    if (parts.name == type) return &parts;
  }
  return nullptr;
}

}  // namespace qs
