// What happens to each number by itself: activations and their gradients, dropout; and the sums
// over a batch that the gradients by biases are.
#include "elementary.h"
#include "kernels.h"

// As engine/lowering/activations.py numbers them.
enum { LINEAR, RELU, TANH, SIGMOID, GELU };

INLINE vec activated(vec x, int activation) {
  if (activation == RELU) return larger(x, zeros());
  if (activation == TANH) return tanh_of(x);
  if (activation == SIGMOID) return sigmoid_of(x);
  if (activation == GELU) return gelu_of(x);
  return x;
}

// The derivative, by what the activation has given.
INLINE vec slope(vec y, int activation) {
  vec one = splat(1.0f);
  if (activation == TANH) return sub(one, mul(y, y));
  if (activation == SIGMOID) return mul(y, sub(one, y));
  return one;
}

// y of x, which may be the same.
void EXPORT(activate)(const float *x, float *y, int count, int activation) {
  for (int i = 0; i < count; i += LANES)
    store_up_to(y + i, activated(load_up_to(x + i, count - i), activation), count - i);
}

INLINE vec passed_back(vec error, vec y, int activation) {
  if (activation == LINEAR) return error;
  if (activation == RELU) return wasm_v128_and(error, wasm_f32x4_gt(y, zeros()));
  return mul(error, slope(y, activation));
}

// Four columns of `activation_gradient`, or `left` of them.
INLINE vec pass_back_columns(float *error, const float *given, int rows, int columns, int left,
                             int activation) {
  vec sum = zeros();
  for (int row = 0; row < rows; row++, error += columns, given += columns) {
    vec passed = load_up_to(error, left);
    if (activation != LINEAR) {
      passed = passed_back(passed, load_up_to(given, left), activation);
      store_up_to(error, passed, left);
    }
    sum = add(sum, passed);
  }
  return sum;
}

// Sixteen columns: a cache line, which is so touched once.
INLINE void pass_back_line(float *error, const float *given, int rows, int columns, int activation,
                           vec sums[4]) {
  for (int i = 0; i < 4; i++) sums[i] = zeros();
  NOT_UNROLLED for (int row = 0; row < rows; row++, error += columns, given += columns)
    for (int i = 0; i < 4; i++) {
      vec passed = load(error + i * LANES);
      if (activation != LINEAR) {
        passed = passed_back(passed, load(given + i * LANES), activation);
        store(error + i * LANES, passed);
      }
      sums[i] = add(sums[i], passed);
    }
}

// dy [rows, columns] becomes the gradient by what was activated; `y` is what the activation has
// given. `bias`, if not 0, gets the sum of each column.
void EXPORT(activation_gradient)(float *dy, const float *y, float *bias, int rows, int columns,
                                 int activation) {
  int c = 0;
  for (; c + 4 * LANES <= columns; c += 4 * LANES) {
    vec sums[4];
    if (activation == RELU) pass_back_line(dy + c, y + c, rows, columns, RELU, sums);
    else pass_back_line(dy + c, y + c, rows, columns, activation, sums);
    if (bias)
      for (int i = 0; i < 4; i++) store(bias + c + i * LANES, sums[i]);
  }
  for (; c < columns; c += LANES) {
    int left = columns - c;
    vec sum = pass_back_columns(dy + c, y + c, rows, columns, left, activation);
    if (bias) store_up_to(bias + c, sum, left);
  }
}

// The same for gelu, but by `x`, what it was given: some of what it gives has two causes.
void EXPORT(gelu_gradient)(float *dy, const float *x, float *bias, int rows, int columns) {
  int count = rows * columns;
  for (int i = 0; i < count; i += LANES) {
    int left = count - i;
    store_up_to(dy + i, mul(load_up_to(dy + i, left), gelu_slope(load_up_to(x + i, left))), left);
  }
  if (bias) activation_gradient(dy, dy, bias, rows, columns, LINEAR);
}

// y of x, which may be the same: a number stays, times `scale`, if its 32 bits, read as an
// int32 and rounded to float32, are above `threshold`; else it is 0. The gradient is the same.
void EXPORT(dropout)(const float *x, const int32_t *bits, float *y, int count, float threshold,
                     float scale) {
  vec bound = splat(threshold), factor = splat(scale);
  for (int i = 0; i < count; i += LANES) {
    int left = count - i;
    vec number = wasm_f32x4_convert_i32x4(load_up_to((const float *)bits + i, left));
    vec stays = wasm_v128_and(wasm_f32x4_gt(number, bound), factor);
    store_up_to(y + i, mul(load_up_to(x + i, left), stays), left);
  }
}

// The rows of `table` at `indexes`, one after the other.
void EXPORT(gather)(const float *table, const int32_t *indexes, float *rows, int count,
                    int length) {
  for (int i = 0; i < count; i++) copy(rows + i * length, table + indexes[i] * length, length);
}

// The same of bytes, each times `scale`: pictures stay small until they are needed.
void EXPORT(gather_bytes)(const uint8_t *table, const int32_t *indexes, float *rows, int count,
                          int length, float scale) {
  for (int i = 0; i < count; i++, rows += length) {
    const uint8_t *from = table + indexes[i] * length;
    for (int k = 0; k < length; k++) rows[k] = (float)from[k] * scale;
  }
}
