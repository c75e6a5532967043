// Runs grids and solvers on the thread pool with every instruction set of this processor, on matrices whose sizes divide nothing, and
// compares them with simple loops. Sanitizers detect accesses outside a buffer and undefined behaviour.
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "../grid_operations.h"
#include "../solvers/gptq.h"
#include "../solvers/gram.h"
#include "../solvers/descent.h"
#include "../solvers/lattice_gptq.h"
#include "../solvers/lattice_steps.h"
#include "../solvers/limits.h"
#include "../solvers/nearest_octet.h"
#include "../solvers/octet_metric.h"
#include "../solvers/outputs.h"
#include "matrices.h"

namespace {

using namespace qs;
using namespace qs::test;

WeightGrid floats() {
  WeightGrid grid;
  grid.levels.kind = Levels::Kind::Float;
  grid.table = tableOf(grid.levels);
  grid.rule.divisor = grid.levels.largest;
  return grid;
}

WeightGrid table() {
  WeightGrid grid;
  grid.levels.kind = Levels::Kind::Table;
  grid.levels.table = nf4Table();
  grid.table = tableOf(grid.levels);
  grid.rule.divisor = 1.0f;
  return grid;
}

struct NamedGrid {
  const char* name;
  WeightGrid grid;
};

std::vector<NamedGrid> grids() {
  return {{"int4", integers(4, true, ZeroKind::None)},  {"uint3 with zeros", integers(3, false, ZeroKind::Integer)},
          {"minima", integers(8, false, ZeroKind::Minimum)}, {"float zeros", integers(4, false, ZeroKind::Float)},
          {"E4M3", floats()},                                {"NF4", table()}};
}

struct Parameters {
  std::vector<float> scales;
  std::vector<float> zeros;

  Parameters(const WeightGrid& grid, size_t groups) : scales(groups), zeros(grid.zero == ZeroKind::None ? 0 : groups) {}
  ParameterView view() { return {scales, zeros, {}, 0.0f}; }
};

struct Rounded {
  std::vector<uint8_t> codes;
  std::vector<float> decoded;
};

Rounded roundIn(const WeightGrid& grid, const std::vector<float>& weights, const GroupedMatrix& matrix, Parameters& parameters) {
  Rounded found{std::vector<uint8_t>(weights.size()), std::vector<float>(weights.size())};
  findCodes(grid, weights, matrix, parameters.view(), found.codes, nullptr);
  findWeights(grid, found.codes, matrix, parameters.view(), {}, found.decoded, nullptr);
  return found;
}

void gridsOfMatrix(const NamedGrid& named, const GroupedMatrix& matrix, const std::string& name) {
  const WeightGrid& grid = named.grid;
  const auto weights = weightsOf(matrix.rows * matrix.columns, 1);
  const std::vector<float> importance(matrix.columns, 0.5f);
  const std::vector<float> factors{0.9f, 0.7f, 0.4f};
  std::vector<uint8_t> first;
  overSets([&](const std::string& set) {
    Parameters plain(grid, matrix.groups());
    findParameters(grid, weights, matrix, std::nullopt, plain.view(), nullptr);
    const Rounded rounded = roundIn(grid, weights, matrix, plain);
    Parameters clipped(grid, matrix.groups());
    findClippedParameters(grid, weights, matrix, importance, factors, clipped.view(), nullptr);
    const Rounded searched = roundIn(grid, weights, matrix, clipped);
    const double error = sumErrors(weights, rounded.decoded).error;
    const double least = sumErrors(weights, searched.decoded).error;
    expect(std::isfinite(error) && least <= error * (1 + 1e-9), name + ", " + set + ": a search is no worse than the rule");
    if (first.empty()) first = searched.codes;
    expect(searched.codes == first, name + ", " + set + ": the codes of all instruction sets");
    std::vector<int32_t> groups(matrix.columns);
    for (size_t c = 0; c < groups.size(); ++c) groups[c] = static_cast<int32_t>(c / matrix.groupColumns);
    std::vector<float> permuted(weights.size());
    findWeights(grid, searched.codes, matrix, clipped.view(), groups, permuted, nullptr);
    expect(permuted == searched.decoded, name + ", " + set + ": groups that are named for each column");
  });
}

void allGrids() {
  for (const NamedGrid& named : grids()) {
    for (const GroupedMatrix& matrix : {GroupedMatrix{1, 1, 1, 1}, {3, 37, 1, 5}, {7, 50, 3, 16}, {2, 70001, 1, 70001}}) {
      const std::string size = std::to_string(matrix.rows) + " x " + std::to_string(matrix.columns);
      gridsOfMatrix(named, matrix, std::string(named.name) + " " + size);
    }
  }
}

void grams() {
  for (const auto& shape : {std::pair<size_t, size_t>{1, 1}, {3, 65}, {600, 30}, {257, 130}}) {
    const size_t tokens = shape.first;
    const size_t columns = shape.second;
    const auto inputs = inputsOf(tokens, columns);
    const auto expected = gramOf(inputs, columns);
    overSets([&](const std::string& set) {
      std::vector<double> gram(columns * columns);
      accumulateGram(inputs, columns, gram, nullptr);
      expect(gram == expected, set + ": sums of products are those of plain loops");
    });
  }
}

void outputs() {
  const size_t rows = 67;
  const size_t columns = 37;
  const size_t tokens = 65;
  const size_t group = 5;
  const auto weights = weightsOf(rows * columns, 1);
  const auto others = weightsOf(rows * columns, 2);
  const auto inputs = inputsOf(tokens, columns);
  const size_t groups = (columns + group - 1) / group;
  overSets([&](const std::string& set) {
    std::vector<double> errors(rows * groups);
    outputErrors({weights, others, {}, columns}, inputs, group, errors, nullptr);
    for (size_t row = 0; row < rows; ++row) {
      for (size_t g = 0; g < groups; ++g) {
        double expected = 0;
        for (size_t t = 0; t < tokens; ++t) {
          double sum = 0;
          for (size_t c = g * group; c < std::min(columns, (g + 1) * group); ++c) {
            sum += (static_cast<double>(others[row * columns + c]) - static_cast<double>(weights[row * columns + c])) *
                   static_cast<double>(inputs[t * columns + c]);
          }
          expected += sum * sum;
        }
        expect(isNear(errors[row * groups + g], expected, 1e-12), set + ": errors of outputs");
      }
    }
  });
}

void limits() {
  const size_t rows = 5;
  const size_t columns = 37;
  const auto weights = weightsOf(rows * columns, 1);
  for (const size_t group : {size_t{1}, size_t{16}, columns, size_t{100}}) {
    std::vector<float> found(rows * ((columns + group - 1) / group));
    groupLimits(weights, columns, group, found, nullptr);
    std::vector<float> same(weights.size());
    limitGroups(weights, columns, group, found, same, nullptr);
    expect(same == weights, "weights within the limits of their groups stay");
    for (float& limit : found) limit *= 0.5f;
    std::vector<float> limited(weights.size());
    limitGroups(weights, columns, group, found, limited, nullptr);
    groupLimits(limited, columns, group, same = found, nullptr);
    expect(same == found, "no weight is beyond the limit of its group");
  }
}

/// A matrix that is quantized in blocks of columns, with one scale for each row.
struct Columns {
  Blocks blocks;
  std::vector<float> factor;
  std::vector<double> pivots;
  std::vector<int32_t> order;
  std::vector<float> weights;
  std::vector<float> errors;
  std::vector<float> sums;
  std::vector<double> losses;

  Columns(size_t rows, Blocks cut)
      : blocks(cut),
        factor(cut.size()),
        pivots(cut.columns),
        order(cut.columns),
        weights(weightsOf(rows * cut.columns, 4)),
        errors((rows + kSlab - 1) / kSlab * cut.columns * kSlab),
        sums((rows + kSlab - 1) / kSlab * Blocks::padded(cut.length) * kSlab),
        losses(rows) {
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(order.size() - 1 - i);
  }

  ColumnState state() { return {blocks, factor, pivots, order, weights, errors, sums, losses, 0.0}; }

  template <typename Use>
  void overBlocks(const Use& use) {
    for (size_t block = 0; block < blocks.count(); ++block) {
      startBlock(state(), block, nullptr);
      use(blocks.first(block), blocks.columnsOf(block));
    }
  }
};

void columnsOf(size_t rows, Blocks blocks, const std::string& name) {
  const auto hessian = gramOf(inputsOf(3 * blocks.columns + 5, blocks.columns), blocks.columns);
  const WeightGrid grid = integers(4, true, ZeroKind::None);
  const GroupedMatrix matrix{rows, blocks.columns, 1, blocks.columns};
  std::vector<uint8_t> first;
  overSets([&](const std::string& set) {
    Columns found(rows, blocks);
    const size_t failed = factorHessian(hessian, found.order, 0.0, blocks, found.factor, found.pivots, nullptr);
    expect(failed == blocks.columns, name + ", " + set + ": a Hessian that is positive definite");
    Parameters parameters(grid, rows);
    findParameters(grid, found.weights, matrix, std::nullopt, parameters.view(), nullptr);
    const std::vector<int32_t> groups(blocks.columns, 0);
    const ColumnParameters each{parameters.scales, {}, 0.0f, 1, 1, 0, groups};
    std::vector<uint8_t> codes(found.weights.size());
    found.overBlocks([&](size_t start, size_t count) {
      std::vector<float> targets(rows * count);
      predictColumns(found.state(), start, count, targets, nullptr);
      quantizeColumns(found.state(), grid, each, start, count, codes, nullptr);
    });
    std::vector<float> decoded(codes.size());
    findWeights(grid, codes, matrix, parameters.view(), {}, decoded, nullptr);
    Columns followed(rows, blocks);
    followed.factor = found.factor;
    followed.pivots = found.pivots;
    followed.overBlocks(
        [&](size_t start, size_t count) { followColumns(followed.state(), decoded, start, count, nullptr); });
    for (size_t row = 0; row < rows; ++row) {
      const size_t at = row * blocks.columns;
      const double expected = lossOf(hessian, found.weights.data() + at, decoded.data() + at, blocks.columns);
      expect(isNear(found.losses[row], expected, 1e-3) && followed.losses[row] == found.losses[row],
             name + ", " + set + ": losses are those of the decoded weights");
    }
    if (first.empty()) first = codes;
    expect(codes == first, name + ", " + set + ": the codes of all instruction sets");
  });
}

void allColumns() {
  for (const size_t rows : {size_t{1}, size_t{63}, size_t{130}}) {
    for (const Blocks& blocks : {Blocks{1, 128}, {7, 3}, {130, 128}, {133, 50}}) {
      columnsOf(rows, blocks, std::to_string(rows) + " x " + std::to_string(blocks.columns));
    }
  }
}

const char* const kLattices[] = {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"};

/// Blocks of the encoder for some weights, all columns counting the same.
std::vector<uint8_t> encodedBlocks(const Codec& codec, const std::vector<float>& weights, size_t columns) {
  std::vector<uint8_t> blocks(weights.size() / codec.block * codec.bytes);
  encodeRows(codec, weights, columns, std::vector<float>(columns, 1.0f), blocks, nullptr);
  return blocks;
}

/// Scales and points are read from blocks and put back as they were.
void latticeBlocks() {
  const auto weights = weightsOf(64 * kSuperBlock, 7);
  for (const std::string type : kLattices) {
    const Codec& codec = *codecNamed(type);
    const LatticeParts& parts = *latticePartsOf(type);
    const OctetSearch& search = OctetSearch::of(parts);
    auto blocks = encodedBlocks(codec, weights, kSuperBlock);
    const auto before = blocks;
    std::vector<float> decoded(weights.size());
    decodeTensor(codec, blocks, decoded, nullptr);
    bool isSame = true;
    for (size_t i = 0; i < decoded.size(); ++i) {
      uint8_t* at = blocks.data() + i / kSuperBlock * parts.bytes;
      const LatticeBlock block = parts.read(at);
      const size_t column = i % kSuperBlock;
      const float scale = parts.codes.scaleOf(block.scales, column / parts.group);
      isSame = isSame && scale * search.levelOf(block.octets[column / kOctet], i % kOctet) == decoded[i];
      if (column == 0) parts.write(at, block);
    }
    expect(isSame && blocks == before, type + ": scales and points of blocks are those that the decoder sees");
  }
}

/// The least error of eight weights over all points and signs of IQ2_XXS.
double leastError(const OctetSearch& search, const OctetMetric& metric, const OctetTarget& target) {
  double least = std::numeric_limits<double>::infinity();
  for (uint16_t point = 0; point < 256; ++point) {
    for (uint32_t signs = 0; signs < 128; ++signs) {
      least = std::min(least, search.errorOf(metric, target, 0.3f, {{point, 0}, evenSigns(signs), 0}));
    }
  }
  return least;
}

void nearestOctets() {
  const OctetSearch& search = OctetSearch::of(*latticePartsOf("IQ2_XXS"));
  const auto hessian = gramOf(inputsOf(40, kOctet), kOctet);
  std::vector<float> tile(hessian.size());
  tileHessian(hessian, 0.0, kOctet, kOctet, tile, nullptr);
  const OctetCurvature curvature(tile.data());
  const auto weights = weightsOf(24 * kOctet, 8);
  for (size_t i = 0; i < weights.size(); i += kOctet) {
    OctetTarget target{};
    for (size_t k = 0; k < kOctet; ++k) target.weights[k] = weights[i + k];
    Octet octet{};
    const double found = search.improve(curvature.metric(), target, 0.3f, std::numeric_limits<double>::infinity(), octet);
    expect(found == search.errorOf(curvature.metric(), target, 0.3f, octet), "the error of the points that were found");
    expect(isNear(found, leastError(search, curvature.metric(), target), 1e-12), "the points of least error");
    const Octet kept = octet;
    search.improve(curvature.metric(), target, 0.3f, found, octet);
    expect(octet.points[0] == kept.points[0] && octet.signs == kept.signs, "points stay where none are better");
  }
}

void latticeDescents() {
  const size_t columns = 2 * kSuperBlock;
  const size_t rows = 67;
  const auto hessian = gramOf(inputsOf(3 * columns, columns), columns);
  std::vector<float> tiles(hessian.size());
  tileHessian(hessian, 0.0, kLatticeTile, columns, tiles, nullptr);
  for (const std::string type : kLattices) {
    const Codec& codec = *codecNamed(type);
    std::vector<uint8_t> first;
    overSets([&](const std::string& set) {
      Columns state(rows, {columns, kSuperBlock});
      state.order.clear();
      auto blocks = encodedBlocks(codec, state.weights, columns);
      factorHessian(hessian, {}, 0.0, state.blocks, state.factor, state.pivots, nullptr);
      state.overBlocks([&](size_t start, size_t count) { quantizeLattices(state.state(), type, start, count, blocks, nullptr); });
      std::vector<float> decoded(state.weights.size());
      std::vector<double> losses(rows);
      const auto areLosses = [&](const std::vector<double>& given) {
        decodeTensor(codec, blocks, decoded, nullptr);
        for (size_t row = 0; row < rows; ++row) {
          const size_t at = row * columns;
          const double loss = lossOf(hessian, state.weights.data() + at, decoded.data() + at, columns);
          if (!isNear(given[row], loss, 1e-3) || loss > state.losses[row] * (1 + 1e-3)) return false;
        }
        return true;
      };
      expect(areLosses(state.losses), type + ", " + set + ": losses of points that are found column by column");
      descend({type, nullptr, {tiles, columns, 0.0}, state.weights, blocks, 1}, losses, nullptr);
      expect(areLosses(losses), type + ", " + set + ": losses of rows");
      if (first.empty()) first = blocks;
      expect(blocks == first, type + ", " + set + ": the blocks of all instruction sets");
    });
  }
}

void errors() {
  const WeightGrid grid = integers(4, true, ZeroKind::None);
  const size_t huge = size_t{1} << 40;
  std::vector<float> one(1, 1.0f);
  std::vector<uint8_t> code(1);
  expectError("sizes that overflow", [&] {
    findCodes(grid, {}, {huge, huge, 1, 1}, {{}, {}, {}, 0.0f}, {}, nullptr);
  });
  expectError("a Gram matrix that overflows", [] { accumulateGram({}, size_t{1} << 32, {}, nullptr); });
  expectError("a search by importance of another length", [&] {
    findClippedParameters(grid, std::vector<float>(8), {2, 4, 1, 4}, std::vector<float>(2), one, {one, {}, {}, 0.0f}, nullptr);
  });
  expectError("a factor that grows a range too far", [&] {
    findClippedParameters(grid, one, {1, 1, 1, 1}, {}, std::vector<float>{3.0f}, {one, {}, {}, 0.0f}, nullptr);
  });
  expectError("importance that is not finite", [&] {
    findClippedParameters(grid, one, {1, 1, 1, 1}, std::vector<float>{NAN}, one, {one, {}, {}, 0.0f}, nullptr);
  });
  expectError("zeros of a grid without zero points", [&] {
    Columns columns(1, {4, 4});
    const std::vector<int32_t> groups(4, 0);
    std::vector<uint8_t> codes(4);
    quantizeColumns(columns.state(), grid, {one, one, 0.0f, 1, 1, 0, groups}, 0, 4, codes, nullptr);
  });
}

}  // namespace

int main() {
  Pool::shared().setThreads(4);
  grams();
  outputs();
  limits();
  allGrids();
  allColumns();
  latticeBlocks();
  nearestOctets();
  latticeDescents();
  errors();
  return failures == 0 ? 0 : 1;
}
