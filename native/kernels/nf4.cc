#include "nf4.h"

#include <algorithm>
#include <cmath>


namespace qs::QS_TARGET {
namespace {

// Quantiles of the standard normal distribution scaled to [−1, 1] with an exact zero: QLoRA (Dettmers et al., 2023),
// appendix E.
constexpr float kTable[16] = {-1.0f,
                              -0.6961928009986877f,
                              -0.5250730514526367f,
                              -0.39491748809814453f,
                              -0.28444138169288635f,
                              -0.18477343022823334f,
                              -0.09105003625154495f,
                              0.0f,
                              0.07958029955625534f,
                              0.16093020141124725f,
                              0.24611230194568634f,
                              0.33791524171829224f,
                              0.44070982933044434f,
                              0.5626170039176941f,
                              0.7229568362236023f,
                              1.0f};

}  // namespace

// The nearest entry: its index is the number of midpoints between neighbours that lie below the value.
void encodeNf4Block(const float* x, size_t n, uint8_t* codes, float& absmax) {
  float largest = 0.0f;
  for (size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(x[i]));
  absmax = largest;
  float midpoints[15];
  for (int k = 0; k < 15; ++k) midpoints[k] = (kTable[k] + kTable[k + 1]) * 0.5f;
  for (size_t i = 0; i < n; ++i) {
    const float value = largest == 0.0f ? 0.0f : x[i] / largest;
    int code = 0;
    for (int k = 0; k < 15; ++k) code += value > midpoints[k] ? 1 : 0;
    codes[i] = static_cast<uint8_t>(code);
  }
}

void decodeNf4Block(const uint8_t* codes, size_t n, float absmax, float* y) {
  for (size_t i = 0; i < n; ++i) y[i] = kTable[codes[i] & 15] * absmax;
}

}  // namespace qs::QS_TARGET
