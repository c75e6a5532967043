// Encodes and decodes generated rows with every kernel of every instruction set of this processor, in buffers of exactly the
// right size at odd addresses, and prints a digest of every result. All instruction sets must agree. The caller compares the
// output of two platforms; sanitizers detect accesses outside a buffer.
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "../kernels/kernels.h"
#include "inputs.h"
#include "scan_vectors.h"

namespace {

using namespace qs;
using namespace qs::test;

/// A buffer that starts at an odd address and ends with its contents.
class Bytes {
 public:
  explicit Bytes(size_t size) : memory_(new uint8_t[size + 1]), size_(size) {}
  uint8_t* data() { return memory_.get() + 1; }
  size_t size() const { return size_; }

 private:
  std::unique_ptr<uint8_t[]> memory_;
  size_t size_;
};

uint64_t digest(const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}

/// NaNs of all payloads count as equal.
uint64_t floatsDigest(std::vector<float>& values) {
  for (float& value : values) value = std::isnan(value) ? std::nanf("") : value;
  return digest(values.data(), values.size() * sizeof(float));
}

uint64_t encodeDigest(const Codec& codec, const Input& input, size_t columns, bool weighted) {
  constexpr size_t kRows = 3;
  const auto values = draw(input, kRows * columns, 1);
  auto importance = draw(kInputs[0], columns, 2);
  for (float& weight : importance) weight = weight * weight;
  Bytes codes(values.size() / codec.block * codec.bytes);
  codec.encode(values.data(), codes.data(), {kRows, columns, weighted ? importance.data() : nullptr});
  return digest(codes.data(), codes.size());
}

uint64_t decodeDigest(const Codec& codec, size_t weights) {
  Bytes codes(weights / codec.block * codec.bytes);
  Random random(3);
  for (size_t i = 0; i < codes.size(); ++i) codes.data()[i] = static_cast<uint8_t>(random.bits() >> 13);
  std::vector<float> values(weights);
  codec.decode(codes.data(), values.data(), weights);
  return floatsDigest(values);
}

/// Sums over logits and a base's, in two slices, the second in memory of exactly its size.
uint64_t logitsDigest(const Kernels& table, const Input& input, size_t columns) {
  const auto base = draw(input, columns, 6);
  auto logits = draw(input, columns, 7);
  logits[columns / 3] = -INFINITY;
  double sums[LogitSums::kCount];
  const size_t first = columns / 2;
  const std::vector<float> secondLogits(logits.begin() + static_cast<ptrdiff_t>(first), logits.end());
  const std::vector<float> secondBase(base.begin() + static_cast<ptrdiff_t>(first), base.end());
  table.accumulateLogits({logits.data(), base.data(), first, 0, 1}, sums);
  table.accumulateLogits({secondLogits.data(), secondBase.data(), columns - first, first, 1}, sums);
  for (double& sum : sums) sum = std::isnan(sum) ? std::nan("") : sum;
  return digest(sums, sizeof sums);
}

WeightGrid integers(float low, ZeroKind zero, Arithmetic arithmetic) {
  WeightGrid grid;
  grid.levels.low = low;
  grid.levels.high = low + 15.0f;
  grid.levels.isSigned = low < 0.0f;
  grid.rule.kind = zero == ZeroKind::None ? ScaleRule::Kind::Absmax : ScaleRule::Kind::Range;
  grid.rule.divisor = 7.5f;
  grid.zero = zero;
  grid.arithmetic = arithmetic;
  grid.weights = arithmetic;
  return grid;
}

WeightGrid floats(int exponent, int mantissa, uint32_t largestCode, float largest) {
  WeightGrid grid;
  grid.levels.kind = Levels::Kind::Float;
  grid.levels.exponent = exponent;
  grid.levels.mantissa = mantissa;
  grid.levels.bias = (1 << (exponent - 1)) - 1;
  grid.levels.largestCode = largestCode;
  grid.levels.largest = largest;
  grid.rule.divisor = largest;
  grid.table = tableOf(grid.levels);
  return grid;
}

WeightGrid table(const float* values) {
  WeightGrid grid;
  grid.levels.kind = Levels::Kind::Table;
  grid.levels.table = values;
  grid.table = tableOf(grid.levels);
  grid.rule.divisor = 1.0f;
  grid.by = Quotient::Reciprocal;
  return grid;
}

struct NamedGrid {
  const char* name;
  WeightGrid grid;
};

std::vector<NamedGrid> grids() {
  std::vector<NamedGrid> all = {{"int4", integers(-8, ZeroKind::None, Arithmetic::F32)},
                                {"int4 in BF16", integers(-8, ZeroKind::Integer, Arithmetic::BF16)},
                                {"uint4 in F16", integers(0, ZeroKind::Integer, Arithmetic::F16)},
                                {"uint4 with minima", integers(0, ZeroKind::Minimum, Arithmetic::F32)},
                                {"uint4 with float zeros", integers(0, ZeroKind::Float, Arithmetic::F32)},
                                {"E4M3", floats(4, 3, 0x7e, 448.0f)},
                                {"E5M2", floats(5, 2, 0x7b, 57344.0f)},
                                {"E2M1", floats(2, 1, 7, 6.0f)},
                                {"NF4", table(nf4Table())},
                                {"FP4", table(fp4Table())}};
  all[6].grid.levels.infinities = true;
  all[6].grid.table = tableOf(all[6].grid.levels);
  all[0].grid.half = Half::Away;
  all[3].grid.half = Half::Up;
  all[7].grid.rule.kind = ScaleRule::Kind::Exponent;
  all[7].grid.scale = ScaleType::E8M0;
  return all;
}

/// Codes and weights of a row in groups of 24, with ranges as they are and searched, in buffers of exactly the right size.
uint64_t gridDigest(const Kernels& table, const WeightGrid& grid, const Input& input, size_t columns) {
  constexpr size_t kLength = 24;
  const GroupedMatrix matrix{1, columns, 1, kLength};
  const auto drawn = draw(input, columns, 9);
  const std::unique_ptr<float[]> values(new float[columns]);
  std::copy(drawn.begin(), drawn.end(), values.get());
  const float factors[] = {0.9f, 0.75f, 0.5f, 0.3f};
  std::vector<float> scales(matrix.groups());
  std::vector<float> zeros(matrix.groups());
  std::vector<float> inverses(matrix.groups());
  uint64_t found = 0;
  for (const bool searched : {false, true}) {
    if (searched) {
      table.searchClips(grid, {matrix, values.get(), {}, factors, 0.0f}, 0, matrix.groups(), {scales.data(), zeros.data(), inverses.data()});
    } else {
      for (size_t group = 0; group < matrix.groups(); ++group) {
        const size_t start = group * kLength;
        const GroupSpan span = table.spanOfWeights(values.get() + start, std::min(kLength, columns - start));
        const GroupParameters parameters = parametersOf(grid, span, 0.0f);
        ParameterTarget{scales.data(), zeros.data(), inverses.data()}.set(group, parameters);
      }
    }
    const GridRow row{columns, kLength, scales.data(), zeros.data(), inverses.data(), 0.0f};
    Bytes codes(columns);
    table.encodeGridRow(grid, values.get(), row, codes.data());
    std::vector<float> decoded(columns);
    table.decodeGridRow(grid, codes.data(), row, decoded.data());
    std::vector<int32_t> groups(columns);
    for (size_t i = 0; i < columns; ++i) groups[i] = static_cast<int32_t>((columns - 1 - i) / kLength);
    std::vector<float> permuted(columns);
    table.decodePermutedRow(grid, codes.data(), row, groups.data(), permuted.data());
    found = found * 31 + digest(scales.data(), scales.size() * sizeof(float));
    found = found * 31 + digest(codes.data(), codes.size());
    found = found * 31 + floatsDigest(decoded);
    found = found * 31 + floatsDigest(permuted);
  }
  return found;
}

std::vector<double> doubles(size_t n, uint64_t seed) {
  const auto values = draw(kInputs[0], n, seed);
  return {values.begin(), values.end()};
}

/// Products of panels, and a step of a Cholesky decomposition.
uint64_t productsDigest(const Kernels& table, size_t count) {
  const auto left = doubles(kPanel * count, 8);
  const auto right = doubles(count * kPanel, 9);
  auto sums = doubles(kPanel * kPanel, 10);
  table.subtractProducts(sums.data(), kPanel, {left.data(), count, 1}, right.data(), count);
  std::vector<double> block(kPanel * kPanel, 0.0);
  table.addProducts(block.data(), kPanel, {right.data(), 1, kPanel}, right.data(), count);
  for (size_t i = 0; i < kPanel; ++i) block[i * kPanel + i] += 1.0;
  std::vector<double> transposed(kPanel * kPanel);
  if (table.factorDiagonal(block.data(), kPanel, transposed.data()) != kPanel) return 0;
  table.solveRows(sums.data(), kPanel, kPanel, transposed.data());
  return digest(sums.data(), sums.size() * sizeof(double));
}

/// Columns quantized one after the other, with those before them: errors, codes and what later columns get.
uint64_t columnsDigest(const Kernels& table, const WeightGrid& grid, size_t before) {
  constexpr size_t kWidth = 12;
  constexpr size_t kCount = 7;
  auto sums = draw(kInputs[0], kWidth * kSlab, 11);
  const auto earlier = draw(kInputs[0], before * kSlab, 12);
  const auto tiles = draw(kInputs[0], before * kWidth, 13);
  table.addFeedback(sums.data(), earlier.data(), tiles.data(), before, kWidth);
  const auto within = draw(kInputs[0], kWidth * kWidth, 14);
  const auto weights = draw(kInputs[1], kCount * kSlab, 15);
  const std::vector<float> scales(weights.size(), 0.01f);
  const std::vector<float> inverses(weights.size(), 100.0f);
  const std::vector<float> zeros(weights.size(), 0.0f);
  const ColumnRun run{within.data(), kWidth, 3, kCount, weights.data(), sums.data()};
  std::vector<float> errors(weights.size());
  std::vector<float> residuals(weights.size());
  std::vector<uint8_t> codes(weights.size());
  table.quantizeColumns(grid, run, {scales.data(), inverses.data(), zeros.data()},
                        {errors.data(), residuals.data(), codes.data()});
  table.followColumns(run, residuals.data(), {errors.data(), residuals.data(), nullptr});
  table.predictColumns(run, residuals.data());
  return digest(sums.data(), sums.size() * sizeof(float)) ^ digest(errors.data(), errors.size() * sizeof(float)) ^
         digest(residuals.data(), residuals.size() * sizeof(float)) ^ digest(codes.data(), codes.size());
}

/// Codes and scales of a group of columns improved together, in some rows and then in all: errors, codes, gradients and moments.
uint64_t groupDigest(const Kernels& table, const WeightGrid& grid, size_t count) {
  const auto hessian = draw(kInputs[0], count * count, 16);
  const auto weights = draw(kInputs[1], count * kSlab, 17);
  auto gradients = draw(kInputs[0], count * kSlab, 18);
  auto errors = draw(kInputs[1], count * kSlab, 19);
  std::vector<uint8_t> codes(count * kSlab);
  const std::vector<float> scales(kSlab, 0.01f);
  const std::vector<float> inverses(kSlab, 100.0f);
  const std::vector<float> zeros(kSlab, 0.0f);
  GroupRun run{hessian.data(), count, {16, 48}, weights.data(), gradients.data(), errors.data(), codes.data()};
  table.sweepGroup(grid, run, {scales.data(), inverses.data(), zeros.data()});
  run.lanes = {0, kSlab};
  table.sweepGroup(grid, run, {scales.data(), inverses.data(), zeros.data()});
  table.rescaleGroup(grid, run, {inverses.data(), scales.data(), zeros.data()});
  std::vector<float> moments(4 * kSlab);
  table.groupMoments(run, weights.data(),
                     {moments.data(), moments.data() + kSlab, moments.data() + 2 * kSlab, moments.data() + 3 * kSlab});
  return floatsDigest(gradients) ^ floatsDigest(errors) * 31 ^ floatsDigest(moments) * 961 ^ digest(codes.data(), codes.size());
}

/// Codes of a group of columns of one row improved together: errors, codes and gradients, which rows are added to.
uint64_t rowDigest(const Kernels& table, const WeightGrid& grid, size_t count) {
  const size_t stride = count + 16;
  const auto hessian = draw(kInputs[0], count * stride, 16);
  const auto weights = draw(kInputs[1], count, 17);
  auto gradients = draw(kInputs[0], count, 18);
  auto errors = draw(kInputs[1], count, 19);
  std::vector<uint8_t> codes(count);
  const RowRun run{hessian.data(), stride, count, weights.data(), gradients.data(), errors.data(), codes.data()};
  table.sweepRow(grid, run, {0.01f, 100.0f, 0.0f});
  table.rescaleRow(grid, run, {100.0f, 0.01f, 0.0f});
  table.addRows(gradients.data(), errors.data(), hessian.data(), stride, count, count);
  return floatsDigest(gradients) ^ floatsDigest(errors) * 31 ^ digest(codes.data(), codes.size());
}

/// One line per result, the same for every instruction set.
std::string results(const Kernels& table) {
  std::string lines;
  const auto line = [&](const Codec& codec, const char* what, const char* input, size_t size, uint64_t value) {
    char text[160];
    std::snprintf(text, sizeof text, "%s %s %s %zu %016llx\n", codec.name, what, input, size,
                  static_cast<unsigned long long>(value));
    lines += text;
  };
  for (const Codec& codec : table.codecs) {
    for (const size_t weights : {codec.block, 3 * codec.block}) {
      line(codec, "decode", "bytes", weights, decodeDigest(codec, weights));
    }
    if (codec.encode == nullptr) continue;
    for (const Input& input : kInputs) {
      for (const size_t columns : {codec.block, 3 * codec.block}) {
        if (codec.importance != Importance::Required) {
          line(codec, "encode", input.name, columns, encodeDigest(codec, input, columns, false));
        }
        if (codec.importance != Importance::Unused) {
          line(codec, "encode with importance", input.name, columns, encodeDigest(codec, input, columns, true));
        }
      }
    }
  }
  const auto a = draw(kInputs[1], 1003, 4);
  const auto b = draw(kInputs[1], 1003, 5);
  const ErrorSums sums = table.errorSums(a.data(), b.data(), a.size());
  const double parts[] = {sums.source, sums.decoded, sums.error, sums.largest};
  line(table.codecs[0], "errors", "sums", a.size(), digest(parts, sizeof parts));
  for (const Input& input : kInputs) {
    for (const size_t columns : {2, 37, 4099}) {
      line(table.codecs[0], "logits", input.name, columns, logitsDigest(table, input, columns));
    }
  }
  for (const Input& input : kInputs) {
    for (const size_t columns : {1, 37, 512}) {
      for (const size_t rows : {1, 7}) {
        const auto figures = scanFigures(table, input, rows, columns);
        line(table.codecs[0], "scan", input.name, rows * columns, digest(figures.data(), figures.size() * sizeof(double)));
      }
    }
  }
  for (const auto& [name, grid] : grids()) {
    for (const Input& input : kInputs) {
      for (const size_t columns : {1, 24, 77, 515}) {
        line(table.codecs[0], name, input.name, columns, gridDigest(table, grid, input, columns));
      }
    }
  }
  for (const size_t count : {1, 300}) {
    line(table.codecs[0], "products", "normal", count, productsDigest(table, count));
    for (const NamedGrid& named : grids()) {
      line(table.codecs[0], "columns", named.name, count, columnsDigest(table, named.grid, count));
    }
  }
  for (const size_t count : {16, 32}) {
    for (const NamedGrid& named : grids()) {
      line(table.codecs[0], "group", named.name, count, groupDigest(table, named.grid, count));
      line(table.codecs[0], "row", named.name, count, rowDigest(table, named.grid, count));
    }
  }
  return lines;
}

}  // namespace

int main() {
  std::string expected;
  int differing = 0;
  for (const Kernels* table : availableKernels()) {
    const std::string found = results(*table);
    if (expected.empty()) expected = found;
    if (found != expected) {
      std::fprintf(stderr, "%.*s differs from %.*s\n", static_cast<int>(table->name.size()), table->name.data(),
                   static_cast<int>(availableKernels()[0]->name.size()), availableKernels()[0]->name.data());
      ++differing;
    }
  }
  std::fputs(expected.c_str(), stdout);
  std::fprintf(stderr, "instruction sets: %zu\n", availableKernels().size());
  return differing == 0 ? 0 : 1;
}
