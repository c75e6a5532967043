#include "nearest_octet.h"

#include <memory>
#include <mutex>

namespace qs {

OctetSearch::OctetSearch(const LatticeParts& parts) : parts_(parts) {
  constexpr Node kEmpty{-1, -1, -1, -1, -1, -1, -1, -1};
  nodes_.push_back(kEmpty);
  const size_t points = parts.grid().size();
  for (size_t point = 0; point < points; ++point) {
    size_t node = 0;
    for (size_t i = 0; i < parts.dims; ++i) {
      const size_t level = parts.coordinate(static_cast<uint16_t>(point), i);
      coordinates_.push_back(parts.levels[level]);
      const bool isLast = i + 1 == parts.dims;
      if (nodes_[node][level] < 0) {
        nodes_[node][level] = static_cast<int16_t>(isLast ? point : nodes_.size());
        if (!isLast) nodes_.push_back(kEmpty);
      }
      node = static_cast<size_t>(nodes_[node][level]);
    }
  }
}

const OctetSearch& OctetSearch::of(const LatticeParts& parts) {
  static std::mutex mutex;
  static std::vector<std::pair<std::string_view, std::unique_ptr<OctetSearch>>> made;
  const std::lock_guard lock(mutex);
  for (const auto& [name, search] : made) {
    if (name == parts.name) return *search;
  }
  made.emplace_back(parts.name, std::make_unique<OctetSearch>(parts));
  return *made.back().second;
}

namespace {

/// The target of weight i, from the errors of those before it.
double targetOf(const OctetMetric& metric, const OctetTarget& target, const double* errors, size_t i) {
  double sum = target.weights[i] + target.sums[i];
  for (size_t j = 0; j < i; ++j) sum += errors[j] * metric.factors[j][i];
  return sum;
}

}  // namespace

/// One search.
class Visit {
 public:
  Visit(const OctetSearch& search, const OctetMetric& metric, const OctetTarget& target, float scale, double bound, Octet& octet)
      : search_(search), parts_(search.parts_), metric_(metric), target_(target), best_(bound), found_(octet), octet_(octet) {
    const float shift = parts_.shiftOf(octet);
    for (size_t level = 0; level < parts_.levelCount; ++level) {
      values_[level] = static_cast<double>(scale * (parts_.levels[level] + shift));
    }
  }

  double run() {
    octet_.signs = 0;
    visit(0, 0, 0.0);
    return best_;
  }

 private:
  struct Branch {
    double cost;
    double value;
    int16_t next;
    uint8_t sign;
  };

  /// The levels and signs that weight i may have, in ascending order of what they cost; equal ones in the order of levels, plus first.
  size_t branchesOf(size_t i, size_t node, double cost, Branch* branches) const {
    const double target = targetOf(metric_, target_, errors_, i);
    size_t count = 0;
    for (size_t level = 0; level < parts_.levelCount; ++level) {
      const int16_t next = search_.nodes_[node][level];
      if (next < 0) continue;
      for (uint8_t sign = 0; sign < (parts_.signs == OctetSigns::None ? 1 : 2); ++sign) {
        if (parts_.signs == OctetSigns::Even && i + 1 == kOctet && sign != isOdd(octet_.signs)) continue;
        const double value = sign == 0 ? values_[level] : -values_[level];
        const double residual = target - value;
        const Branch branch{cost + residual * residual * metric_.squares[i], value, next, sign};
        if (!(branch.cost < best_)) continue;
        size_t at = count++;
        for (; at > 0 && branch.cost < branches[at - 1].cost; --at) branches[at] = branches[at - 1];
        branches[at] = branch;
      }
    }
    return count;
  }

  static uint8_t isOdd(uint8_t signs) { return evenSigns(signs & 127) >> 7; }

  void visit(size_t i, size_t node, double cost) {
    if (++visits_ > OctetSearch::kMostVisits) return;
    Branch branches[16];
    const size_t count = branchesOf(i, node, cost, branches);
    const uint8_t signs = octet_.signs;
    const bool endsPoint = (i + 1) % parts_.dims == 0;
    for (size_t k = 0; k < count; ++k) {
      const Branch& branch = branches[k];
      if (!(branch.cost < best_)) break;
      octet_.signs = static_cast<uint8_t>(signs | (branch.sign << i));
      if (endsPoint) octet_.points[i / parts_.dims] = static_cast<uint16_t>(branch.next);
      if (i + 1 == kOctet) {
        best_ = branch.cost;
        found_ = octet_;
      } else {
        errors_[i] = target_.weights[i] - branch.value;
        visit(i + 1, endsPoint ? 0 : static_cast<size_t>(branch.next), branch.cost);
      }
    }
    octet_.signs = signs;
  }

  const OctetSearch& search_;
  const LatticeParts& parts_;
  const OctetMetric& metric_;
  const OctetTarget& target_;
  double best_;
  Octet& found_;
  Octet octet_;
  double values_[8];
  double errors_[kOctet];
  int visits_ = 0;
};

double OctetSearch::improve(const OctetMetric& metric, const OctetTarget& target, float scale, double bound, Octet& octet) const {
  return Visit(*this, metric, target, scale, bound, octet).run();
}

double OctetSearch::errorOf(const OctetMetric& metric, const OctetTarget& target, float scale, const Octet& octet) const {
  double errors[kOctet];
  double sum = 0;
  for (size_t i = 0; i < kOctet; ++i) {
    const double value = static_cast<double>(scale * levelOf(octet, i));
    const double residual = targetOf(metric, target, errors, i) - value;
    errors[i] = target.weights[i] - value;
    sum += residual * residual * metric.squares[i];
  }
  return sum;
}

}  // namespace qs
