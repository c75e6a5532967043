// Runs the operations on whole matrices on the thread pool, with buffers of exactly the right size and pieces of all kinds,
// and compares the results with those of simple loops. Sanitizers detect accesses outside a buffer and undefined behaviour.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "../operations.h"
#include "../scan/scan.h"
#include "../solvers/training.h"
#include "expect.h"
#include "inputs.h"

namespace {

using namespace qs;
using namespace qs::test;

/// Memory for exactly this many floats, so that a sanitizer detects an access to one more.
struct Floats {
  explicit Floats(const float* from, size_t n) : memory(new float[n]), size(n) {
    std::copy(from, from + n, memory.get());
  }
  std::span<const float> span() const { return {memory.get(), size}; }
  std::span<const uint8_t> bytes() const { return {reinterpret_cast<const uint8_t*>(memory.get()), size * sizeof(float)}; }

  std::unique_ptr<float[]> memory;
  size_t size;
};

std::vector<float> rounded(std::vector<float> values, int mantissaBits) {
  for (float& value : values) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    bits &= ~((1u << (23 - mantissaBits)) - 1);
    std::memcpy(&value, &bits, sizeof bits);
  }
  return values;
}

/// The upper halves of float32.
std::vector<uint8_t> upperHalves(const std::vector<float>& values) {
  std::vector<uint8_t> bytes;
  for (const float value : values) {
    uint8_t own[sizeof value];
    std::memcpy(own, &value, sizeof value);
    bytes.insert(bytes.end(), {own[2], own[3]});
  }
  return bytes;
}

std::vector<uint8_t> bytesOf(const std::vector<float>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

ScanOptions scanOptions(const char* dtype, size_t rows, size_t columns) {
  return {dtype, rows, columns, {3, 5}, 17, {}, {0.1, 50, 99.9}, {3, 6}};
}

void scanInPieces(const char* dtype, const std::vector<uint8_t>& data, const std::vector<float>& values, size_t rows,
                  size_t columns, size_t piece, const std::string& name) {
  Scan scan(scanOptions(dtype, rows, columns));
  const auto pass = [&](void (Scan::*take)(std::span<const uint8_t>, CancelFlag)) {
    for (size_t first = 0; first < data.size(); first += piece) {
      const size_t size = std::min(piece, data.size() - first);
      const std::unique_ptr<uint8_t[]> exact(new uint8_t[size]);
      std::memcpy(exact.get(), data.data() + first, size);
      (scan.*take)({exact.get(), size}, nullptr);
    }
  };
  pass(&Scan::first);
  if (scan.turn()) pass(&Scan::second);
  float largest = 0;
  uint64_t finite = 0;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    ++finite;
    largest = std::max(largest, std::fabs(value));
  }
  const ScanFigures& found = scan.figures();
  uint64_t counted = 0;
  for (const uint64_t count : found.histogram.bins) counted += count;
  expect(found.finite == finite && counted == finite, name + ": every finite weight is counted once");
  expect(std::max(std::fabs(found.min), std::fabs(found.max)) == largest || finite == 0, name + ": the extremes");
  const float ofRows = *std::max_element(scan.rowAbsMax.begin(), scan.rowAbsMax.end());
  const float ofColumns = *std::max_element(scan.columnAbsMax.begin(), scan.columnAbsMax.end());
  const float ofCells = *std::max_element(scan.cellAbsMax.begin(), scan.cellAbsMax.end());
  expect(ofRows == largest && ofColumns == largest && ofCells == largest, name + ": the maxima of rows, columns and cells");
  for (const double value : found.percentiles) expect(finite == 0 || std::isfinite(value), name + ": the percentiles");
}

void scans() {
  for (const Input& input : kInputs) {
    for (const auto& [rows, columns] :
         {std::pair<size_t, size_t>{37, 53}, {1, 200001}, {200001, 1}, {4, 65536}}) {
      auto values = draw(input, rows * columns, 3);
      values[values.size() / 2] = NAN;
      values.back() = INFINITY;
      const auto narrow = rounded(values, 7);
      for (const size_t piece : {values.size(), size_t{1009}, size_t{70000}}) {
        if (values.size() / piece > 400) continue;
        const std::string name = std::string(input.name) + " " + std::to_string(rows) + " x " + std::to_string(columns) +
                                 " by " + std::to_string(piece);
        scanInPieces("F32", bytesOf(values), values, rows, columns, 4 * piece, name);
        scanInPieces("F32", bytesOf(narrow), narrow, rows, columns, 4 * piece, name + ", rounded");
        scanInPieces("BF16", upperHalves(narrow), narrow, rows, columns, 2 * piece, name + ", BF16");
      }
    }
  }
}

/// Blocks of a type, whole rows at a time.
void scanBlocks() {
  constexpr size_t kRows = 5;
  constexpr size_t kColumns = 1280;
  const Codec& codec = *codecNamed("Q4_K");
  const auto values = draw(kInputs[1], kRows * kColumns, 4);
  std::vector<uint8_t> codes(values.size() / codec.block * codec.bytes);
  codec.encode(values.data(), codes.data(), {kRows, kColumns, nullptr});
  std::vector<float> decoded(values.size());
  codec.decode(codes.data(), decoded.data(), decoded.size());
  for (const size_t rows : {kRows, size_t{2}}) {
    scanInPieces("Q4_K", codes, decoded, kRows, kColumns, rows * codes.size() / kRows, "blocks");
  }
}

void histograms() {
  const float infinity = std::numeric_limits<float>::infinity();
  const float values[] = {-3e38f, 0, 3e38f, NAN, infinity, -infinity};
  const Floats exact(values, 6);
  for (const auto& [low, high] :
       {std::pair<float, float>{NAN, NAN}, {-infinity, infinity}, {1, 1}, {2, -2}, {-3e38f, 3e38f}}) {
    std::vector<double> counts(3);
    histogramOf(exact.span(), low, high, counts);
    expect(counts[0] + counts[1] + counts[2] == 3, "a histogram over an empty range");
  }
}

void ranges() {
  const Codec& f32 = *codecNamed("F32");
  for (const size_t n : {size_t{0}, size_t{1}, size_t{4097}, size_t{300000}}) {
    auto values = draw(kInputs[1], n, 8);
    const MeasuredRange good = measureRange(f32, Floats(values.data(), n).bytes(), nullptr);
    expect(good.bad.kind == BadWeight::Kind::None, "a range of finite weights");
    if (n < 2) continue;
    values[n - 1] = NAN;
    values[n - 2] = INFINITY;
    const MeasuredRange bad = measureRange(f32, Floats(values.data(), n).bytes(), nullptr);
    expect(bad.bad.kind == BadWeight::Kind::Infinite && bad.bad.index == n - 2, "the first weight that is not finite");
    const size_t tail = std::min<size_t>(n, 4096);
    const Floats last(values.data() + n - tail, tail);
    const Measured measured = measureRows(f32, last.bytes(), *codecNamed("Q8_0"), tail, {}, {}, nullptr);
    expect(measured.bad.kind == BadWeight::Kind::Infinite && measured.bad.index == tail - 2, "the fused pass finds it too");
  }
}

/// Numbers of a refinement whose groups and pieces do not end together.
void trainingSteps() {
  const size_t count = 100003;
  const size_t group = 48;
  const auto gradient = draw(kInputs[0], count, 5);
  const auto start = draw(kInputs[0], count, 6);
  const std::vector<float> units((count + group - 1) / group, 0.5f);
  std::vector<float> values = start;
  std::vector<float> first(count);
  std::vector<float> second(count);
  adamStep({values, first, second}, gradient, {{0.9, 0.99}, 0.1 / (1 - 0.9), 1 / (1 - 0.99), units, group});
  bool isMoved = true;
  for (size_t i = 0; i < count; ++i) {
    const float expected = gradient[i] == 0 ? start[i] : start[i] - std::copysign(0.05f, gradient[i]);
    isMoved = isMoved && std::fabs(values[i] - expected) <= 1e-5f * (1 + std::fabs(start[i]));
  }
  expect(isMoved, "the first step moves each number by the rate and its unit");

  const double levels[] = {-2, -1, 0, 1};
  const uint8_t codes[] = {7, 6, 5, 4};
  const std::vector<float> scales(units.size() - 1, 2.0f);
  const size_t whole = scales.size() * group;
  std::vector<uint8_t> found(whole);
  for (const bool areEven : {true, false}) {
    nearestLevels({levels, codes, areEven}, {group, scales, {}}, std::span(start).first(whole), found);
    bool isNearest = true;
    for (size_t i = 0; i < whole; ++i) {
      const double own = std::fabs(2 * levels[7 - found[i]] - start[i]);
      for (const double level : levels) isNearest = isNearest && own <= std::fabs(2 * level - start[i]);
    }
    expect(isNearest, "no level is nearer to a weight than its own");
    std::vector<uint8_t> code(1);
    const float none = NAN;
    nearestLevels({levels, codes, areEven}, {1, std::span(&none, 1), {}}, std::span(start).first(1), code);
    expect(code[0] == codes[0], "the first code where a scale is NaN");
  }

  std::vector<float> products(scales.size());
  blockProducts(std::span(gradient).first(whole), std::span(start).first(whole), group, products);
  double sum = 0;
  for (size_t i = whole - group; i < whole; ++i) sum += static_cast<double>(gradient[i]) * start[i];
  expect(products.back() == static_cast<float>(sum), "the product of the last block");
}

template <typename Work>
void expectError(const char* what, const Work& work) {
  try {
    work();
    expect(false, std::string(what) + " is an error");
  } catch (const std::exception&) {
  }
}

void errors() {
  expectError("a scan without columns", [] { Scan(scanOptions("F32", 5, 0)); });
  expectError("a scan of too many weights", [] { Scan(scanOptions("F32", size_t{1} << 40, size_t{1} << 40)); });
  expectError("a map of too many cells", [] { Scan(scanOptions("F32", size_t{1} << 30, size_t{1} << 20)); });
  expectError("more weights than the matrix has", [] {
    Scan scan(scanOptions("F32", 1, 3));
    const uint8_t four[16] = {};
    scan.first(four, nullptr);
  });
  expectError("units of no numbers", [] { adamStep({}, {}, {{0.9, 0.99}, 1, 1, {}, 0}); });
  expectError("an exception of a piece", [] {
    Pool::shared().run(100, [](size_t piece) { if (piece == 57) throw std::runtime_error("57"); }, nullptr);
  });
}

}  // namespace

int main() {
  Pool::shared().setThreads(4);
  scans();
  scanBlocks();
  histograms();
  ranges();
  trainingSteps();
  errors();
  return failures == 0 ? 0 : 1;
}
