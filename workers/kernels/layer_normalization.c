// Layer normalization (Ba, Kiros & Hinton 2016): each row of [rows, columns] by its own mean and
// variance. They are found anew on the way back, which costs less than keeping them.
#include "kernels.h"

enum { BLOCK = 4 * LANES };

// The first `left` lanes of a vector, the others 0.
INLINE vec only(vec x, int left) {
  vec lanes = wasm_i32x4_const(0, 1, 2, 3);
  return wasm_v128_and(x, wasm_i32x4_lt(lanes, wasm_i32x4_splat(left)));
}

// The sum of a row's distances from `center`, or of their squares. (Four sums side by side, so
// that none waits for the one before.)
INLINE float sum_of_distances(const float *x, int columns, float center, int squared) {
  vec sums[4] = {zeros(), zeros(), zeros(), zeros()}, from = splat(center);
  int c = 0;
  for (; c + BLOCK <= columns; c += BLOCK)
    for (int k = 0; k < 4; k++) {
      vec distance = sub(load(x + c + k * LANES), from);
      sums[k] = squared ? madd(distance, distance, sums[k]) : add(sums[k], distance);
    }
  for (; c < columns; c += LANES) {
    vec distance = only(sub(load_up_to(x + c, columns - c), from), columns - c);
    sums[0] = squared ? madd(distance, distance, sums[0]) : add(sums[0], distance);
  }
  return sum_of_lanes(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}

typedef struct {
  float mean, sharpness;  // sharpness: 1 / sqrt(variance + epsilon)
} Row;

INLINE Row row_of(const float *x, int columns, float epsilon) {
  float mean = sum_of_distances(x, columns, 0.0f, 0) / (float)columns;
  float variance = sum_of_distances(x, columns, mean, 1) / (float)columns;
  return (Row){mean, 1.0f / __builtin_sqrtf(variance + epsilon)};
}

// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, by rows; gamma and beta [columns] are
// 1 and 0 where they are 0. y may be x.
void EXPORT(layer_normalization)(const float *x, const float *gamma, const float *beta, float *y,
                                 int rows, int columns, float epsilon) {
  for (int i = 0; i < rows; i++, x += columns, y += columns) {
    Row row = row_of(x, columns, epsilon);
    vec mean = splat(row.mean), sharpness = splat(row.sharpness);
    for (int c = 0; c < columns; c += LANES) {
      int left = columns - c;
      vec made = mul(sub(load_up_to(x + c, left), mean), sharpness);
      if (gamma) made = mul(made, load_up_to(gamma + c, left));
      if (beta) made = add(made, load_up_to(beta + c, left));
      store_up_to(y + c, made, left);
    }
  }
}

INLINE void add_to(float *sum, vec x, int left) {
  store_up_to(sum, add(load_up_to(sum, left), x), left);
}

// The error by a normalized number: the error by y, times gamma.
INLINE vec error_at(const float *dy, const float *gamma, int c, int left) {
  vec error = load_up_to(dy + c, left);
  return gamma ? mul(error, load_up_to(gamma + c, left)) : error;
}

// What is not wanted of dx, dgamma and dbeta is 0; dx may be dy.
void EXPORT(layer_normalization_gradient)(const float *x, const float *gamma, const float *dy,
                                          float *dx, float *dgamma, float *dbeta, int rows,
                                          int columns, float epsilon) {
  float share = 1.0f / (float)columns;
  if (dgamma) fill_with_zeros(dgamma, columns);
  if (dbeta) fill_with_zeros(dbeta, columns);
  for (int i = 0; i < rows; i++, x += columns, dy += columns) {
    Row row = row_of(x, columns, epsilon);
    vec mean = splat(row.mean), sharpness = splat(row.sharpness);
    vec errors = zeros(), products = zeros();
    for (int c = 0; c < columns; c += LANES) {
      int left = columns - c;
      vec normalized = mul(sub(load_up_to(x + c, left), mean), sharpness);
      vec error = error_at(dy, gamma, c, left);
      errors = add(errors, error);
      products = madd(error, normalized, products);
      if (dgamma) add_to(dgamma + c, mul(load_up_to(dy + c, left), normalized), left);
      if (dbeta) add_to(dbeta + c, load_up_to(dy + c, left), left);
    }
    if (!dx) continue;
    // Of the errors, what would move the mean or the deviation has no effect.
    vec of_mean = splat(sum_of_lanes(errors) * share);
    vec of_deviation = splat(sum_of_lanes(products) * share);
    for (int c = 0; c < columns; c += LANES) {
      int left = columns - c;
      vec normalized = mul(sub(load_up_to(x + c, left), mean), sharpness);
      vec effect = sub(sub(error_at(dy, gamma, c, left), of_mean), mul(normalized, of_deviation));
      store_up_to(dx + c, mul(effect, sharpness), left);
    }
    dx += columns;
  }
}
