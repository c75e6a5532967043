#include "hessian_tiles.h"

namespace qs {

void tileHessian(std::span<const double> hessian, double damping, size_t group, size_t columns, std::span<float> tiles,
                 CancelFlag cancelled) {
  if (group == 0 || group % 4 != 0 || columns % group != 0) fail("columns are not whole groups");
  requireLength("the Hessian", hessian.size(), product(columns, columns));
  requireLength("the tiles", tiles.size(), product(columns, columns));
  overRows(columns / group, 1, cancelled, [&](size_t index, size_t) {
    float* to = tiles.data() + index * group * columns;
    for (size_t column = 0; column < columns; ++column) {
      for (size_t i = 0; i < group; ++i) {
        const size_t row = index * group + i;
        double value = hessian[row * columns + column];
        if (row == column) value = (value == 0.0 ? 1.0 : value) + damping;
        to[(column / 4 * group + i) * 4 + column % 4] = static_cast<float>(value);
      }
    }
  });
}

}  // namespace qs
