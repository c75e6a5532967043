#include "scan.h"

#include <cmath>
#include <limits>

#include "../kernels/kernels.h"

namespace qs {
namespace {

constexpr double kNotDefined = std::numeric_limits<double>::quiet_NaN();
constexpr uint64_t kMaxWeights = uint64_t{1} << 53;
constexpr size_t kMaxCells = size_t{1} << 24;

const Codec& codecFor(const std::string& dtype) {
  const Codec* codec = codecNamed(dtype);
  if (codec == nullptr) fail("there is no decoder for " + dtype);
  return *codec;
}

size_t cellsOf(size_t lines, size_t perCell) { return lines / perCell + (lines % perCell == 0 ? 0 : 1); }

size_t codesOf(const Codec& codec) { return codec.block == 1 && codec.bytes == 1 ? 256 : kHalfValues; }

void mergeLines(Lines& into, std::vector<float>& absMax, const Lines& part, size_t first, size_t lines) {
  if (absMax.empty()) return;
  kernels().mergeMaxima(absMax.data() + first, part.absMax.data(), lines);
  for (size_t i = 0; i < lines; ++i) into.squares[first + i] += part.squares[i];
  for (size_t i = 0; i < part.bad.size(); ++i) {
    if (part.bad[i] > 0) into.addBad(first + i, absMax.size(), part.bad[i]);
  }
}

}  // namespace

ScanFigures::ScanFigures()
    : min(kNotDefined), max(kNotDefined), mean(kNotDefined), variance(kNotDefined), kurtosis(kNotDefined), rms(kNotDefined) {}

Scan::Scan(ScanOptions options)
    : options_(std::move(options)),
      codec_(codecFor(options_.dtype)),
      counts_([this] { return ValueCounts::take(codesOf(codec_)); }),
      seconds_([this] { return std::make_unique<SecondCounts>(work_); }) {
  const size_t rows = options_.rows;
  const size_t columns = options_.columns;
  if (rows == 0 || columns == 0) throw std::invalid_argument("a matrix without weights cannot be scanned");
  if (rows > kMaxWeights / columns) throw std::invalid_argument("a matrix of more than 2^53 weights cannot be scanned");
  weights_ = static_cast<uint64_t>(rows) * columns;
  const size_t mapRows = cellsOf(rows, options_.cells.rows);
  mapColumns_ = cellsOf(columns, options_.cells.columns);
  if (mapRows > kMaxCells / mapColumns_) throw std::invalid_argument("the map has too many cells");
  rowLines_ = Lines(rows <= kMaxLines ? rows : 0);
  columnLines_ = Lines(columns <= kMaxLines ? columns : 0);
  rowAbsMax.resize(rows <= kMaxLines ? rows : 0);
  columnAbsMax.resize(columns <= kMaxLines ? columns : 0);
  cellAbsMax.resize(mapRows * mapColumns_);
  figures_.histogram.bins.resize(options_.bins);
  figures_.beyond.resize(options_.thresholds.size());
  figures_.percentiles.resize(options_.percents.size(), kNotDefined);
}

ScanSlab Scan::slabOf(std::span<const uint8_t> data) const { return {codec_, data.data(), seen_, options_.columns}; }

std::vector<Rectangle> Scan::nextPieces(std::span<const uint8_t> data) const {
  const size_t blocks = data.size() / codec_.bytes;
  requireLength("the slab", data.size(), blocks * codec_.bytes);
  const size_t weights = product(blocks, codec_.block);
  if (weights > weights_ - seen_) fail("more weights were scanned than the matrix has");
  if (options_.columns % codec_.block != 0) fail("the rows of the matrix are not whole blocks of " + options_.dtype);
  return cutSlab(seen_, weights, options_.columns);
}

void Scan::advance(std::span<const uint8_t> data) { seen_ += data.size() / codec_.bytes * codec_.block; }

void Scan::first(std::span<const uint8_t> data, CancelFlag cancelled) {
  if (turned_) fail("the first pass has ended");
  const auto pieces = nextPieces(data);
  const ScanSlab slab = slabOf(data);
  std::vector<FirstPart> parts(pieces.size());
  overRows(pieces.size(), 1, cancelled, [&](size_t piece, size_t) {
    counts_.use([&](ValueCounts& counts) { parts[piece] = firstPart(slab, pieces[piece], options_.cells, counts); });
  });
  for (const FirstPart& part : parts) merge(part);
  advance(data);
}

void Scan::second(std::span<const uint8_t> data, CancelFlag cancelled) {
  if (!turn()) return;
  if (finished_) fail("the scan has ended");
  const auto pieces = nextPieces(data);
  const ScanSlab slab = slabOf(data);
  overRows(pieces.size(), 1, cancelled, [&](size_t piece, size_t) {
    seconds_.use([&](SecondCounts& counts) { counts.add(slab, pieces[piece]); });
  });
  advance(data);
}

/// Parts are merged in order, so that sums do not depend on the number of threads.
void Scan::merge(const FirstPart& part) {
  const Rectangle& area = part.area;
  mergeLines(rowLines_, rowAbsMax, part.rows, area.row, area.rows);
  mergeLines(columnLines_, columnAbsMax, part.columns, area.column, area.columns);
  for (size_t i = 0; i < part.cells.size(); ++i) {
    const size_t mapRow = part.firstMapRow + i / part.mapColumns;
    float& cell = cellAbsMax[mapRow * mapColumns_ + part.firstMapColumn + i % part.mapColumns];
    cell = std::max(cell, part.cells[i]);
  }
  figures_.nans += part.nans;
  figures_.infinities += part.infinities;
  figures_.zeros += part.zeros;
  bits_ |= part.bits;
  if (part.moments.count > 0) {
    figures_.min = moments_.count == 0 ? part.min : std::min<double>(figures_.min, part.min);
    figures_.max = moments_.count == 0 ? part.max : std::max<double>(figures_.max, part.max);
  }
  moments_.add(part.moments);
}

std::vector<float> Scan::rmsOf(const Lines& lines, size_t weights) const {
  std::vector<float> rms(lines.squares.size());
  for (size_t i = 0; i < rms.size(); ++i) {
    const size_t finite = weights - (lines.bad.empty() ? 0 : lines.bad[i]);
    rms[i] = finite == 0 ? 0.0f : static_cast<float>(std::sqrt(lines.squares[i] / static_cast<double>(finite)));
  }
  return rms;
}

const ScanFigures& Scan::figures() {
  turn();
  if (needsSecond_ && !finished_) finishSecond();
  finished_ = true;
  return figures_;
}

}  // namespace qs
