// Softmax, and the cross-entropy of its probabilities and the right classes, with its gradient.
#include "elementary.h"
#include "kernels.h"

INLINE float largest_lane(vec x) {
  vec a = wasm_f32x4_pmax(x, wasm_i32x4_shuffle(x, x, 2, 3, 0, 1));
  return wasm_f32x4_extract_lane(wasm_f32x4_pmax(a, wasm_i32x4_shuffle(a, a, 1, 0, 3, 2)), 0);
}

// The largest of a row. A NaN gives NaN: then nothing is largest.
INLINE float largest(const float *row, int classes) {
  vec most = splat(-__builtin_inff());
  vec odd = zeros();
  int c = 0;
  for (; c + LANES <= classes; c += LANES) {
    vec x = load(row + c);
    most = larger(x, most);
    odd = wasm_v128_or(odd, wasm_f32x4_ne(x, x));
  }
  float found = largest_lane(most);
  for (; c < classes; c++) {
    if (row[c] != row[c]) return row[c];
    found = row[c] > found ? row[c] : found;
  }
  return wasm_v128_any_true(odd) ? __builtin_nanf("") : found;
}

// Where a row has its largest number, the first if there are several.
INLINE int place_of(const float *row, int classes, float wanted) {
  vec sought = splat(wanted);
  for (int c = 0; c < classes; c += LANES) {
    int left = at_most(classes - c, LANES);
    unsigned found = wasm_i32x4_bitmask(wasm_f32x4_eq(load_up_to(row + c, left), sought));
    found &= (1u << left) - 1;
    if (found) return c + __builtin_ctz(found);
  }
  return 0;
}

// exp(x - most) of each number, and their sum.
INLINE float exponentials(const float *row, float *to, int classes, float most) {
  vec sum = zeros(), shift = splat(most);
  int c = 0;
  for (; c + LANES <= classes; c += LANES) {
    vec x = exponential(sub(load(row + c), shift));
    store(to + c, x);
    sum = add(sum, x);
  }
  float total = sum_of_lanes(sum);
  if (c < classes) {
    vec x = exponential(sub(load_part(row + c, classes - c), shift));
    store_part(to + c, x, classes - c);
    for (; c < classes; c++) total += to[c];
  }
  return total;
}

INLINE void scale(float *row, int count, float factor) {
  for (int i = 0; i < count; i += LANES)
    store_up_to(row + i, mul(load_up_to(row + i, count - i), splat(factor)), count - i);
}

// Probabilities [rows, classes] of logits.
void EXPORT(softmax)(const float *logits, float *probabilities, int rows, int classes) {
  for (int i = 0; i < rows; i++, logits += classes, probabilities += classes) {
    float most = largest(logits, classes);
    scale(probabilities, classes, 1.0f / exponentials(logits, probabilities, classes, most));
    if (most != most) probabilities[0] = most;
  }
}

// The mean cross-entropy over the rows and the share of right answers go to `figures`, the
// gradient by the logits to `gradient`. `class_weights`, if not 0, say how much the rows of each
// class count; the mean stays one over the number of rows, as Keras has it, and the share of right
// answers knows no weights.
void EXPORT(softmax_cross_entropy)(const float *logits, const int32_t *labels,
                                   const float *class_weights, float *gradient, float *figures,
                                   int rows, int classes) {
  float loss = 0.0f, share = 1.0f / (float)rows;
  int right = 0;
  for (int i = 0; i < rows; i++, logits += classes, gradient += classes) {
    int label = labels[i];
    float most = largest(logits, classes);
    float total = exponentials(logits, gradient, classes, most);
    float weight = class_weights ? class_weights[label] : 1.0f, counts = weight * share;
    scale(gradient, classes, counts / total);
    gradient[label] -= counts;
    loss += weight * (logarithm(total) + most - logits[label]);
    right += place_of(logits, classes, most) == label;
  }
  figures[0] = loss * share;
  figures[1] = (float)right * share;
}

// For each row: its cross-entropy, its likeliest class, and that one's probability; three
// columns one after the other, [3, rows].
void EXPORT(answers)(const float *logits, const int32_t *labels, float *probabilities,
                     float *columns, int rows, int classes) {
  for (int i = 0; i < rows; i++, logits += classes) {
    float most = largest(logits, classes);
    float total = exponentials(logits, probabilities, classes, most);
    columns[i] = logarithm(total) + most - logits[labels[i]];
    columns[rows + i] = (float)place_of(logits, classes, most);
    columns[2 * rows + i] = 1.0f / total;
  }
}
