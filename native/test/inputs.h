#pragma once
// Rows of weights that are the same on every platform: integer arithmetic and exactly rounded operations only.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace qs::test {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}

  uint32_t bits() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 32);
  }
  // [0, 1)
  float uniform() { return static_cast<float>(bits() >> 8) * 0x1p-24f; }
  // Nearly normal: the sum of twelve uniform numbers.
  float normal() {
    float sum = -6.0f;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }
  // Heavy tails: Student's t with three degrees of freedom, from approximate normals.
  float studentT3() {
    float squares = 0.0f;
    for (int i = 0; i < 3; ++i) {
      const float x = normal();
      squares += x * x;
    }
    return normal() / std::sqrt(squares / 3.0f + 1e-6f);
  }

 private:
  uint64_t state_;
};

struct Input {
  const char* name;
  float (*draw)(Random& random, size_t index);
};

inline constexpr Input kInputs[] = {
    {"normal", [](Random& r, size_t) { return r.normal() * 0.02f; }},
    {"heavy tails", [](Random& r, size_t) { return r.studentT3() * 0.05f; }},
    {"zeros", [](Random& r, size_t) { return r.bits() % 2 == 0 ? 0.0f : -0.0f; }},
    {"few", [](Random& r, size_t) { return r.bits() % 10 == 0 ? r.normal() : 0.0f; }},
    {"outlier", [](Random& r, size_t i) { return i % 256 == 77 ? 1e4f : r.normal() * 0.02f; }},
    {"denormal", [](Random& r, size_t) { return r.normal() * 1e-40f; }},
    {"largest halves", [](Random& r, size_t) { return r.bits() % 2 == 0 ? 65504.0f : -65504.0f; }},
    {"ties", [](Random& r, size_t) { return static_cast<float>(static_cast<int>(r.normal() * 4)) * 0.25f; }},
};

inline std::vector<float> draw(const Input& input, size_t n, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(n);
  for (size_t i = 0; i < n; ++i) values[i] = input.draw(random, i);
  return values;
}

}  // namespace qs::test
