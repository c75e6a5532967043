// Quantization column by column (solvers/gptq.h).
#include <memory>
#include <optional>

#include "../solvers/block_codes.h"
#include "../solvers/descent.h"
#include "../solvers/gptq.h"
#include "../solvers/lattice_gptq.h"
#include "../solvers/own_hessians.h"
#include "../solvers/two_sided.h"
#include "arguments.h"
#include "functions.h"
#include "grid_arguments.h"
#include "task.h"

namespace qs::binding {
namespace {

std::span<const int32_t> optionalInts(const Napi::Value& value, const char* name) {
  return value.IsUndefined() ? std::span<const int32_t>{} : intsOf(value, name);
}

/// { columns, block, factor, pivots, order?, weights, errors, sums, losses, damping }
ColumnState stateOf(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  const Blocks blocks{sizeOf(object.Get("columns"), "columns"), sizeOf(object.Get("block"), "the block")};
  blocks.require();
  return {blocks,
          floatsOf(object.Get("factor"), "factor"),
          doublesOf(object.Get("pivots"), "pivots"),
          optionalInts(object.Get("order"), "order"),
          floatsOf(object.Get("weights"), "weights"),
          floatsOf(object.Get("errors"), "errors"),
          floatsOf(object.Get("sums"), "sums"),
          doublesOf(object.Get("losses"), "losses"),
          object.Get("damping").As<Napi::Number>().DoubleValue()};
}

/// { scales, zeros?, globalScale, groupRows, across, flat, groups }
ColumnParameters columnParametersOf(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  return {floatsOf(object.Get("scales"), "scales"),
          optionalFloats(object.Get("zeros"), "zeros"),
          floatOf(object.Get("globalScale")),
          sizeOf(object.Get("groupRows"), "rows of a group"),
          sizeOf(object.Get("across"), "groups of a row"),
          sizeOf(object.Get("flat"), "weights of a group"),
          optionalInts(object.Get("groups"), "groups")};
}

std::optional<WeightGrid> optionalGrid(const Napi::Value& value) {
  if (value.IsUndefined()) return std::nullopt;
  return gridOf(value);
}

struct Positions {
  size_t first;
  size_t count;
};

/// { tiles, columns, damping }
HessianTiles tilesOf(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  return {floatsOf(object.Get("tiles"), "tiles"), sizeOf(object.Get("columns"), "columns"),
          object.Get("damping").As<Napi::Number>().DoubleValue()};
}

/// Two arguments from `first` on.
Positions positionsFrom(const Napi::CallbackInfo& info, size_t first) {
  return {sizeOf(info[first], "the first column"), sizeOf(info[first + 1], "the number of columns")};
}

}  // namespace

// (columns, block)
Napi::Value FactorSize(const Napi::CallbackInfo& info) {
  const Blocks blocks{sizeOf(info[0], "columns"), sizeOf(info[1], "the block")};
  blocks.require();
  return Napi::Number::New(info.Env(), static_cast<double>(blocks.size()));
}

// (hessian, order?, damping, columns, block, factor, pivots, cancel?)
Napi::Value FactorHessian(const Napi::CallbackInfo& info) {
  const auto hessian = doublesOf(info[0], "hessian");
  const auto order = optionalInts(info[1], "order");
  const double damping = info[2].As<Napi::Number>().DoubleValue();
  const Blocks blocks{sizeOf(info[3], "columns"), sizeOf(info[4], "the block")};
  const auto factor = floatsOf(info[5], "factor");
  const auto pivots = doublesOf(info[6], "pivots");
  const CancelFlag cancelled = cancelFlag(info[7]);
  const auto failed = std::make_shared<size_t>();
  return run(
      info, [=] { *failed = factorHessian(hessian, order, damping, blocks, factor, pivots, cancelled); },
      [failed, columns = blocks.columns](Napi::Env env) -> Napi::Value {
        return *failed == columns ? env.Undefined() : Napi::Number::New(env, static_cast<double>(*failed));
      });
}

// (state, block, cancel?)
Napi::Value StartBlock(const Napi::CallbackInfo& info) {
  const ColumnState state = stateOf(info[0]);
  const size_t block = sizeOf(info[1], "the block");
  const CancelFlag cancelled = cancelFlag(info[2]);
  return run(info, [=] { startBlock(state, block, cancelled); });
}

// (state, first, count, targets, cancel?)
Napi::Value PredictColumns(const Napi::CallbackInfo& info) {
  const ColumnState state = stateOf(info[0]);
  const auto [first, count] = positionsFrom(info, 1);
  const auto targets = floatsOf(info[3], "targets");
  const CancelFlag cancelled = cancelFlag(info[4]);
  return run(info, [=, first = first, count = count] { predictColumns(state, first, count, targets, cancelled); });
}

// (state, grid, parameters, first, count, codes, cancel?)
Napi::Value QuantizeColumns(const Napi::CallbackInfo& info) {
  const ColumnState state = stateOf(info[0]);
  const WeightGrid grid = gridOf(info[1]);
  const ColumnParameters parameters = columnParametersOf(info[2]);
  const auto [first, count] = positionsFrom(info, 3);
  const auto codes = bytesOf(info[5], "codes");
  const CancelFlag cancelled = cancelFlag(info[6]);
  return run(info, [=, first = first, count = count] {
    quantizeColumns(state, grid, parameters, first, count, codes, cancelled);
  });
}

// (state, decoded, first, count, cancel?)
Napi::Value FollowColumns(const Napi::CallbackInfo& info) {
  const ColumnState state = stateOf(info[0]);
  const auto decoded = floatsOf(info[1], "decoded");
  const auto [first, count] = positionsFrom(info, 2);
  const CancelFlag cancelled = cancelFlag(info[4]);
  return run(info, [=, first = first, count = count] { followColumns(state, decoded, first, count, cancelled); });
}

// (type, blocks, scales, zeros?)
Napi::Value BlockParameters(const Napi::CallbackInfo& info) {
  const std::string type = stringOf(info[0]);
  const auto blocks = bytesOf(info[1], "blocks");
  const auto scales = floatsOf(info[2], "scales");
  const auto zeros = optionalFloats(info[3], "zeros");
  return run(info, [=] { blockParameters(type, blocks, scales, zeros); });
}

// (type, blocks, codes)
Napi::Value SetBlockCodes(const Napi::CallbackInfo& info) {
  const std::string type = stringOf(info[0]);
  const auto blocks = bytesOf(info[1], "blocks");
  const auto codes = bytesOf(info[2], "codes");
  return run(info, [=] { setBlockCodes(type, blocks, codes); });
}

// (hessian, damping, group, columns, tiles, cancel?)
Napi::Value TileHessian(const Napi::CallbackInfo& info) {
  const auto hessian = doublesOf(info[0], "hessian");
  const double damping = info[1].As<Napi::Number>().DoubleValue();
  const size_t group = sizeOf(info[2], "the group");
  const size_t columns = sizeOf(info[3], "columns");
  const auto tiles = floatsOf(info[4], "tiles");
  const CancelFlag cancelled = cancelFlag(info[5]);
  return run(info, [=] { tileHessian(hessian, damping, group, columns, tiles, cancelled); });
}

// (type, grid?, { tiles, columns, damping }, weights, blocks, rounds, losses, cancel?)
Napi::Value DescendBlocks(const Napi::CallbackInfo& info) {
  const std::string type = stringOf(info[0]);
  const std::optional<WeightGrid> grid = optionalGrid(info[1]);
  const HessianTiles hessian = tilesOf(info[2]);
  const auto weights = floatsOf(info[3], "weights");
  const auto blocks = bytesOf(info[4], "blocks");
  const size_t rounds = sizeOf(info[5], "rounds");
  const auto losses = doublesOf(info[6], "losses");
  const CancelFlag cancelled = cancelFlag(info[7]);
  return run(info, [=] { descend({type, grid ? &*grid : nullptr, hessian, weights, blocks, rounds}, losses, cancelled); });
}

// (type, grid?, { tiles, columns, damping }, covariance, damping, weights, blocks, rounds, cancel?)
Napi::Value DescendBothSides(const Napi::CallbackInfo& info) {
  const std::string type = stringOf(info[0]);
  const std::optional<WeightGrid> grid = optionalGrid(info[1]);
  const HessianTiles hessian = tilesOf(info[2]);
  const DampedMatrix covariance{doublesOf(info[3], "covariance"), info[4].As<Napi::Number>().DoubleValue()};
  const auto weights = floatsOf(info[5], "weights");
  const auto blocks = bytesOf(info[6], "blocks");
  const size_t rounds = sizeOf(info[7], "rounds");
  const CancelFlag cancelled = cancelFlag(info[8]);
  return run(info, [=] {
    descendBothSides({type, grid ? &*grid : nullptr, hessian, weights, blocks, rounds}, covariance, cancelled);
  });
}

// (state, type, first, count, blocks, cancel?)
Napi::Value QuantizeLattices(const Napi::CallbackInfo& info) {
  const ColumnState state = stateOf(info[0]);
  const std::string type = stringOf(info[1]);
  const auto [first, count] = positionsFrom(info, 2);
  const auto blocks = bytesOf(info[4], "blocks");
  const CancelFlag cancelled = cancelFlag(info[5]);
  return run(info, [=, first = first, count = count] { quantizeLattices(state, type, first, count, blocks, cancelled); });
}

// (type, grid, hessian, [damping, share], inputs, starts, weights, blocks, rounds, cancel?)
Napi::Value DescendOwnHessians(const Napi::CallbackInfo& info) {
  const std::string type = stringOf(info[0]);
  const WeightGrid grid = gridOf(info[1]);
  const auto numbers = info[3].As<Napi::Array>();
  const auto number = [&](uint32_t index) { return numbers.Get(index).As<Napi::Number>().DoubleValue(); };
  const DampedMatrix hessian{doublesOf(info[2], "hessian"), number(0)};
  const double share = number(1);
  const auto inputs = floatsOf(info[4], "inputs");
  const auto starts = intsOf(info[5], "starts");
  const auto weights = floatsOf(info[6], "weights");
  const auto blocks = bytesOf(info[7], "blocks");
  const size_t rounds = sizeOf(info[8], "rounds");
  const CancelFlag cancelled = cancelFlag(info[9]);
  return run(info, [=] { descendOwnHessians({type, grid, hessian, share, inputs, starts, weights, blocks, rounds}, cancelled); });
}

}  // namespace qs::binding
