#pragma once
// Shared by all operations on matrices: checking lengths, and cutting rows into pieces for the thread pool.
#include <algorithm>
#include <atomic>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>

#include "pool.h"

namespace qs {

using CancelFlag = const std::atomic<int32_t>*;

struct Cancelled : std::runtime_error {
  Cancelled() : std::runtime_error("CANCELLED") {}
};

// Weights per piece: large enough to hide the scheduling, small enough to cancel within milliseconds.
inline constexpr size_t kPieceWeights = size_t{1} << 16;

[[noreturn]] inline void fail(const std::string& message) { throw std::invalid_argument(message); }

/// a · b, where memory can hold so much.
inline size_t product(size_t a, size_t b) {
  if (b != 0 && a > std::numeric_limits<size_t>::max() / b) {
    fail("a matrix of " + std::to_string(a) + " x " + std::to_string(b) + " exceeds what memory can hold");
  }
  return a * b;
}

inline void requireLength(const char* what, size_t given, size_t needed) {
  if (given != needed) {
    fail(std::string(what) + " has " + std::to_string(given) + " elements where " + std::to_string(needed) + " are needed");
  }
}

inline size_t rowsOf(std::span<const float> values, size_t columns) {
  if (columns == 0 || values.size() % columns != 0) {
    fail(std::to_string(values.size()) + " weights do not form whole rows of " + std::to_string(columns));
  }
  return values.size() / columns;
}

inline size_t rowsPerPiece(size_t columns) {
  return std::max<size_t>(1, kPieceWeights / std::max<size_t>(1, columns));
}

// Runs work(first row, rows) for pieces of at most `perPiece` rows over the pool. Throws Cancelled.
template <typename Work>
void overRows(size_t rows, size_t perPiece, CancelFlag cancelled, const Work& work) {
  const size_t pieces = (rows + perPiece - 1) / perPiece;
  const bool complete = Pool::shared().run(
      pieces,
      [&](size_t piece) {
        const size_t first = piece * perPiece;
        work(first, std::min(perPiece, rows - first));
      },
      cancelled);
  if (!complete) throw Cancelled();
}

}  // namespace qs
