#pragma once
// How often each code occurs: counters of one thread at a time.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace qs {

class ValueCounts {
 public:
  explicit ValueCounts(size_t codes);

  // Little-endian codes at any address: of one byte where there are 256 codes, else of two.
  void add(const uint8_t* codes, size_t n);
  // The upper halves of float32.
  void addUpperHalves(const float* x, size_t n);

  uint64_t of(size_t code) const {
    return uint64_t{tables_[code]} + tables_[codes_ + code] + (drained_.empty() ? 0 : drained_[code]);
  }

  // Counters of 16-bit codes are half a megabyte: they are used again by the next scan.
  static std::unique_ptr<ValueCounts> take(size_t codes);
  static void giveBack(std::unique_ptr<ValueCounts> counts);

 private:
  void addBytes(const uint8_t* codes, size_t n);
  void addWords(const uint8_t* codes, size_t n);
  void added(size_t n);
  void drain();
  void clear();

  size_t codes_;
  uint64_t inTables_ = 0;
  std::vector<uint32_t> tables_;
  std::vector<uint64_t> drained_;  // empty until the tables could overflow
};

}  // namespace qs
