#include "value_counts.h"

#include <cstring>
#include <mutex>

namespace qs {
namespace {

// Successive weights are counted in different tables: equal ones would wait for each other's store.
constexpr size_t kTables = 2;
constexpr size_t kByteCodes = 256;
// A counter has 32 bits; a call adds less than 2^31.
constexpr uint64_t kMostInTables = uint64_t{1} << 31;

// Half a megabyte each: as many as the threads of usual machines.
constexpr size_t kMostSpare = 16;

struct Spare {
  std::mutex mutex;
  std::vector<std::unique_ptr<ValueCounts>> counts;
};

Spare& spare() {
  static Spare all;
  return all;
}

}  // namespace

ValueCounts::ValueCounts(size_t codes) : codes_(codes), tables_(codes * kTables) {}

void ValueCounts::add(const uint8_t* codes, size_t n) {
  if (codes_ == kByteCodes) {
    addBytes(codes, n);
  } else {
    addWords(codes, n);
  }
  added(n);
}

void ValueCounts::addBytes(const uint8_t* codes, size_t n) {
  uint32_t* even = tables_.data();
  uint32_t* odd = even + kByteCodes;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t eight;
    std::memcpy(&eight, codes + i, sizeof eight);
    for (int k = 0; k < 8; k += 2) {
      ++even[(eight >> (8 * k)) & 0xff];
      ++odd[(eight >> (8 * k + 8)) & 0xff];
    }
  }
  for (; i < n; ++i) ++even[codes[i]];
}

void ValueCounts::addWords(const uint8_t* codes, size_t n) {
  uint32_t* even = tables_.data();
  uint32_t* odd = even + codes_;
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    uint64_t four;
    std::memcpy(&four, codes + 2 * i, sizeof four);
    ++even[four & 0xffff];
    ++odd[(four >> 16) & 0xffff];
    ++even[(four >> 32) & 0xffff];
    ++odd[four >> 48];
  }
  for (; i < n; ++i) {
    uint16_t code;
    std::memcpy(&code, codes + 2 * i, sizeof code);
    ++even[code];
  }
}

void ValueCounts::addUpperHalves(const float* x, size_t n) {
  uint32_t* even = tables_.data();
  uint32_t* odd = even + codes_;
  size_t i = 0;
  for (; i + 2 <= n; i += 2) {
    uint64_t two;
    std::memcpy(&two, x + i, sizeof two);
    ++even[(two >> 16) & 0xffff];
    ++odd[two >> 48];
  }
  for (; i < n; ++i) {
    uint32_t one;
    std::memcpy(&one, x + i, sizeof one);
    ++even[one >> 16];
  }
  added(n);
}

void ValueCounts::added(size_t n) {
  inTables_ += n;
  if (inTables_ > kMostInTables) drain();
}

void ValueCounts::drain() {
  drained_.resize(codes_);
  for (size_t code = 0; code < codes_; ++code) drained_[code] += uint64_t{tables_[code]} + tables_[codes_ + code];
  std::memset(tables_.data(), 0, tables_.size() * sizeof(uint32_t));
  inTables_ = 0;
}

void ValueCounts::clear() {
  if (inTables_ > 0) std::memset(tables_.data(), 0, tables_.size() * sizeof(uint32_t));
  inTables_ = 0;
  drained_.clear();
}

std::unique_ptr<ValueCounts> ValueCounts::take(size_t codes) {
  if (codes != kByteCodes) {
    const std::lock_guard lock(spare().mutex);
    if (!spare().counts.empty()) {
      auto taken = std::move(spare().counts.back());
      spare().counts.pop_back();
      return taken;
    }
  }
  return std::make_unique<ValueCounts>(codes);
}

void ValueCounts::giveBack(std::unique_ptr<ValueCounts> counts) {
  if (counts->codes_ == kByteCodes) return;
  counts->clear();
  const std::lock_guard lock(spare().mutex);
  if (spare().counts.size() < kMostSpare) spare().counts.push_back(std::move(counts));
}

}  // namespace qs
