#pragma once
// Sums over pairs of weights, over columns and over logits, products of columns, and histograms. All sums are float64; the result does not depend on the number of threads.
#include <cstddef>
#include <cstdint>

namespace qs {

struct ErrorSums {
  double source = 0;   // Σ x²
  double decoded = 0;  // Σ x'²
  double error = 0;    // Σ (x − x')²
  double largest = 0;  // max |x − x'|

  void add(const ErrorSums& other);
};

// Adds to counts[bins]; values outside [min, max] fall into the first or last bin, non-finite ones nowhere.
void addToHistogram(const float* x, size_t n, float min, float max, size_t bins, double* counts);

// Some columns of one row of logits, and of those of a base model.
struct LogitSlice {
  const float* logits;
  const float* base;  // or null
  size_t columns;
  size_t firstColumn;  // token of the first; at 0 the sums start anew
  int64_t target;      // token that the row predicts; none when negative
};

// Nine float64 of one row, l its logits and b those of the base: what loss and KL divergence follow from.
struct LogitSums {
  static constexpr size_t kMaximum = 0;     // m = max l
  static constexpr size_t kSum = 1;         // Σ e^(l − m)
  static constexpr size_t kTarget = 2;      // l of the target; NaN until a slice has it
  static constexpr size_t kTop = 3;         // first token with the largest logit
  static constexpr size_t kBase = 4;        // the same four of the base
  static constexpr size_t kDifference = 8;  // Σ e^(b − max b) (b − l)
  static constexpr size_t kCount = 9;
};

// Some columns of some rows of a matrix, and where their sums go.
struct ColumnBlock {
  static constexpr size_t kColumns = 256;  // at most

  const float* x;
  size_t rows;
  size_t stride;  // from one row of x to the next
  size_t columns;
  double* sum;      // Σ x of each column
  double* squares;  // Σ x²
  double* largest;  // max |x|; NaN where there is one
};

// A tile of target[count, columns] += (some columns of X)ᵀ X, in float32.
struct GramTile {
  static constexpr size_t kLeft = 48;    // rows of a tile, at most
  static constexpr size_t kRight = 128;  // columns of a tile, at most
  // Rows of X whose products are added up in a sum of their own, in their order, whatever the instruction set.
  static constexpr size_t kDepth = 128;
  static constexpr size_t kWorkspace = (kLeft + kRight) * kDepth;

  const float* x;  // [rows, columns]
  size_t rows;
  size_t columns;
  size_t left;  // first of the columns whose products with the others are the rows of the tile
  size_t leftColumns;
  size_t right;  // first of the others
  size_t rightColumns;
  float* target;  // the tile's first element
  size_t targetColumns;
  float* workspace;  // kWorkspace floats
};

}  // namespace qs
