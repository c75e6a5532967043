// GPTQ and coordinate descent in the blocks of Q4_K as plain loops of one thread, in the order in which the algorithms read, column by column over the
// whole matrix: what the addon is timed against. The compiler may vectorize them.
//   plainLoop rows columns rounds weights.f32 hessian.f64 decoded.f32
// writes the decoded weights, and prints the seconds of processor time of the factor and of the rows.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

namespace {

constexpr int kSuper = 256;
constexpr int kGroup = 32;
constexpr int kGroups = kSuper / kGroup;
constexpr float kDamping = 0.01f;
// Candidate scales of a group, as in llama.cpp's make_qkx3_quants for this type.
constexpr int kSteps = 36;
constexpr float kFirst = -0.9f, kStep = 0.05f;

struct Grid {
  float scale, minimum;
};

struct Matrix {
  int rows, columns;
  std::vector<float> weights, hessian, decoded;
  std::vector<Grid> grids;
  // Steps of the scales and minimums of each super-block.
  std::vector<Grid> supers;

  const float* line(int column) const { return &hessian[static_cast<size_t>(column) * columns]; }
};

double Seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

template <typename T>
std::vector<T> Read(const char* path, size_t count) {
  std::vector<T> values(count);
  FILE* file = std::fopen(path, "rb");
  if (!file || std::fread(values.data(), sizeof(T), count, file) != count) std::exit(1);
  std::fclose(file);
  return values;
}

// U of H⁻¹ = Uᵀ·U, each row divided by its diagonal element: what an error adds to the columns after it.
std::vector<float> Factor(const std::vector<double>& hessian, int n) {
  std::vector<double> lower(static_cast<size_t>(n) * n);
  for (int i = 0; i < n; i++) {
    double* own = &lower[static_cast<size_t>(i) * n];
    for (int j = 0; j <= i; j++) {
      const double* other = &lower[static_cast<size_t>(j) * n];
      double sum = hessian[static_cast<size_t>(n - 1 - i) * n + n - 1 - j];
      for (int t = 0; t < j; t++) sum -= own[t] * other[t];
      own[j] = i == j ? std::sqrt(sum) : sum / other[j];
    }
  }
  std::vector<float> factor(static_cast<size_t>(n) * n);
  for (int j = 0; j < n; j++)
    for (int k = j + 1; k < n; k++) {
      const size_t at = static_cast<size_t>(n - 1 - k) * n;
      factor[static_cast<size_t>(j) * n + k] = static_cast<float>(lower[static_cast<size_t>(n - 1 - j) * n + n - 1 - k] / lower[at + n - 1 - k]);
    }
  return factor;
}

float CodeOf(float value, const Grid& grid) {
  if (grid.scale == 0) return 0;
  return std::min(15.0f, std::max(0.0f, std::nearbyint((value + grid.minimum) / grid.scale)));
}

// The scale and minimum of a group with the smallest weighted error, of several ranges with least squares.
Grid FitGroup(const float* x, const float* weight) {
  float low = 0, high = 0;
  for (int k = 0; k < kGroup; k++) low = std::min(low, x[k]), high = std::max(high, x[k]);
  if (high == low) return {0, 0};
  Grid best{(high - low) / 15, -low};
  float least = INFINITY;
  for (int step = 0; step <= kSteps; step++) {
    const float inverse = (15 + kFirst + kStep * step) / (high - low);
    float w = 0, l = 0, l2 = 0, xs = 0, xl = 0;
    for (int k = 0; k < kGroup; k++) {
      const float code = std::min(15.0f, std::max(0.0f, std::nearbyint(inverse * (x[k] - low))));
      w += weight[k], l += weight[k] * code, l2 += weight[k] * code * code;
      xs += weight[k] * x[k], xl += weight[k] * code * x[k];
    }
    const float determinant = w * l2 - l * l;
    if (determinant <= 0) continue;
    const float scale = (w * xl - xs * l) / determinant, minimum = std::max(0.0f, -(l2 * xs - l * xl) / determinant);
    float error = 0;
    for (int k = 0; k < kGroup; k++) {
      const float code = std::min(15.0f, std::max(0.0f, std::nearbyint(inverse * (x[k] - low))));
      const float miss = scale * code - minimum - x[k];
      error += weight[k] * miss * miss;
    }
    if (error < least) least = error, best = {scale, minimum};
  }
  return best;
}

float Rounded(float value, float step) { return step > 0 ? std::min(63.0f, std::max(0.0f, std::nearbyint(value / step))) * step : 0; }

void FitSuper(const float* x, const float* importance, Grid* grids, Grid* super) {
  Grid most{0, 0};
  for (int g = 0; g < kGroups; g++) {
    grids[g] = FitGroup(x + g * kGroup, importance + g * kGroup);
    most = {std::max(most.scale, grids[g].scale), std::max(most.minimum, grids[g].minimum)};
  }
  *super = {most.scale / 63, most.minimum / 63};
  for (int g = 0; g < kGroups; g++) grids[g] = {Rounded(grids[g].scale, super->scale), Rounded(grids[g].minimum, super->minimum)};
}

// GPTQ: every row at a column before the next column, errors being spread over all columns that follow. Scales are fitted to what is left of the weights.
void Gptq(Matrix& m, const std::vector<float>& factor) {
  std::vector<float> left = m.weights, importance(m.columns);
  for (int column = 0; column < m.columns; column++) importance[column] = m.line(column)[column];
  for (int column = 0; column < m.columns; column++) {
    const float* spread = &factor[static_cast<size_t>(column) * m.columns];
    for (int row = 0; row < m.rows; row++) {
      float* values = &left[static_cast<size_t>(row) * m.columns];
      Grid* grids = &m.grids[static_cast<size_t>(row) * (m.columns / kGroup)];
      Grid* super = &m.supers[static_cast<size_t>(row) * (m.columns / kSuper) + column / kSuper];
      if (column % kSuper == 0) FitSuper(values + column, &importance[column], grids + column / kGroup, super);
      const Grid& grid = grids[column / kGroup];
      const float found = CodeOf(values[column], grid) * grid.scale - grid.minimum;
      const float error = values[column] - found;
      m.decoded[static_cast<size_t>(row) * m.columns + column] = found;
      for (int k = column + 1; k < m.columns; k++) values[k] += error * spread[k];
    }
  }
}

// Moves the values of some columns to others, and the slopes A = D·H with them.
void Move(const Matrix& m, float* to, float* slopes, int first, int count, const float* values) {
  for (int j = first; j < first + count; j++) {
    const float step = to[j] - values[j - first];
    if (step == 0) continue;
    to[j] = values[j - first];
    const float* line = m.line(j);
    for (int k = 0; k < m.columns; k++) slopes[k] += step * line[k];
  }
}

// Scale and minimum of a group by least squares on the output error, rounded to their steps, where that makes it smaller.
void Refit(const Matrix& m, float* to, float* slopes, int first, Grid* grid, const Grid& super) {
  float codes[kGroup], values[kGroup], qq = 0, qo = 0, oo = 0, aq = 0, ao = 0;
  if (grid->scale == 0) return;
  for (int j = 0; j < kGroup; j++) codes[j] = std::nearbyint((to[first + j] + grid->minimum) / grid->scale);
  for (int j = 0; j < kGroup; j++) {
    const float* line = m.line(first + j) + first;
    float product = 0, sum = 0;
    for (int k = 0; k < kGroup; k++) product += line[k] * codes[k], sum += line[k];
    qq += codes[j] * product, qo += codes[j] * sum, oo += sum;
    aq += slopes[first + j] * codes[j], ao += slopes[first + j];
  }
  const float determinant = qq * oo - qo * qo;
  if (determinant <= 0) return;
  const Grid moved{Rounded(grid->scale + (aq * oo - ao * qo) / determinant, super.scale), Rounded(grid->minimum - (ao * qq - aq * qo) / determinant, super.minimum)};
  const float ds = moved.scale - grid->scale, dm = grid->minimum - moved.minimum;
  if ((ds == 0 && dm == 0) || moved.scale == 0) return;
  if (ds * ds * qq + 2 * ds * dm * qo + dm * dm * oo - 2 * (ds * aq + dm * ao) >= 0) return;
  *grid = moved;
  for (int j = 0; j < kGroup; j++) values[j] = codes[j] * moved.scale - moved.minimum;
  Move(m, to, slopes, first, kGroup, values);
}

// Scales, then each code to the point nearest to its optimum given all others, in rounds until nothing changes.
void Descend(Matrix& m, int rounds) {
  std::vector<float> slopes(m.columns);
  for (int row = 0; row < m.rows; row++) {
    const float* from = &m.weights[static_cast<size_t>(row) * m.columns];
    float* to = &m.decoded[static_cast<size_t>(row) * m.columns];
    Grid* grids = &m.grids[static_cast<size_t>(row) * (m.columns / kGroup)];
    const Grid* supers = &m.supers[static_cast<size_t>(row) * (m.columns / kSuper)];
    std::fill(slopes.begin(), slopes.end(), 0.0f);
    for (int j = 0; j < m.columns; j++) {
      const float error = from[j] - to[j];
      for (int k = 0; k < m.columns; k++) slopes[k] += error * m.line(j)[k];
    }
    for (int round = 0; round < rounds; round++) {
      bool changed = false;
      for (int j = 0; j < m.columns; j += kGroup) Refit(m, to, slopes.data(), j, &grids[j / kGroup], supers[j / kSuper]);
      for (int j = 0; j < m.columns; j++) {
        const Grid& grid = grids[j / kGroup];
        const float found = CodeOf(to[j] + slopes[j] / m.line(j)[j], grid) * grid.scale - grid.minimum;
        changed = changed || found != to[j];
        Move(m, to, slopes.data(), j, 1, &found);
      }
      if (!changed) break;
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 7) return 2;
  Matrix m{std::atoi(arguments[1]), std::atoi(arguments[2]), {}, {}, {}, {}, {}};
  const int rounds = std::atoi(arguments[3]);
  const size_t size = static_cast<size_t>(m.rows) * m.columns;
  m.weights = Read<float>(arguments[4], size);
  std::vector<double> hessian = Read<double>(arguments[5], static_cast<size_t>(m.columns) * m.columns);
  double mean = 0;
  for (int i = 0; i < m.columns; i++) mean += hessian[static_cast<size_t>(i) * m.columns + i] / m.columns;
  for (int i = 0; i < m.columns; i++) hessian[static_cast<size_t>(i) * m.columns + i] += kDamping * mean;
  m.hessian.assign(hessian.begin(), hessian.end());
  m.grids.resize(size / kGroup);
  m.supers.resize(size / kSuper);
  m.decoded.resize(size);
  const double start = Seconds();
  const std::vector<float> factor = Factor(hessian, m.columns);
  const double factored = Seconds();
  Gptq(m, factor);
  Descend(m, rounds);
  const double end = Seconds();
  FILE* file = std::fopen(arguments[6], "wb");
  if (!file || std::fwrite(m.decoded.data(), sizeof(float), size, file) != size) return 1;
  std::fclose(file);
  std::printf("{\"factor\":%f,\"rows\":%f}\n", factored - start, end - factored);
}
