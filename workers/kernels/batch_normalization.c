// Batch normalization: each column of [rows, columns] (a channel; the rows are all places of all
// examples) by its own mean and variance, those of the batch or those that were kept.
//
// Up to sixteen columns, a cache line, are gone through together from the first row to the last.
// Rows of few columns are seen as lines of several rows, which fill the vectors then; the rows
// behind the last whole line are done one number at a time.
#include "kernels.h"

enum { WIDEST = 16 };  // numbers
// Sums are made of the sums of so many lines, so that rounding errors do not grow with the rows.
enum { SUMMED_AT_ONCE = 256 };

typedef struct {
  int first, columns;           // which columns
  int lanes, lines, step, rest; // numbers of a line, lines, from one to the next, rows behind
} Strip;

INLINE int rows_of_a_line(int columns) {
  for (int rows = WIDEST / columns; rows > 1; rows--)
    if (rows * columns % LANES == 0) return rows;
  return 1;
}

INLINE Strip strip_at(int first, int rows, int columns) {
  int together = columns < WIDEST ? rows_of_a_line(columns) : 1;
  int wide = at_most(columns - first, WIDEST);
  return (Strip){first, wide, wide * together, rows / together, columns * together,
                 rows % together};
}

#define EACH_STRIP(s, rows, columns)                                                             \
  for (Strip s = strip_at(0, rows, columns); s.first < columns;                                  \
       s = strip_at(s.first + WIDEST, rows, columns))

// What each column of a strip has, as often as it is in a line.
typedef struct {
  float lanes[WIDEST];
} Line;

NOT_INLINE Line line_of(const Strip *s, const float *per_column, float otherwise) {
  Line line;
  NOT_UNROLLED for (int i = 0; i < WIDEST; i++)
    line.lanes[i] = per_column && i < s->lanes ? per_column[s->first + i % s->columns] : otherwise;
  return line;
}

INLINE vec vector_of(const Line *line, int v) { return load(line->lanes + v * LANES); }

// --- sums ------------------------------------------------------------------------------------

// Of the numbers; of the squares of their distances from `centers`; or of errors `a`, and of those
// times the distances of `b`.
typedef enum { NUMBERS, SQUARES, ERRORS } Summed;

typedef struct {
  Line sums, products;
} Sums;

INLINE void sum_vectors(Summed what, const float *a, const float *b, const Strip *s,
                        const Line *centers, Sums *found, int first, int vectors, int left) {
  vec sums[4], products[4], center[4];
  a += first, b += first;
  for (int v = 0; v < vectors; v++) {
    sums[v] = products[v] = zeros();
    center[v] = vector_of(centers, first / LANES + v);
  }
  for (int line = 0; line < s->lines; line += SUMMED_AT_ONCE) {
    vec sum[4], product[4];
    for (int v = 0; v < vectors; v++) sum[v] = product[v] = zeros();
    int count = at_most(s->lines - line, SUMMED_AT_ONCE);
    NOT_UNROLLED for (int i = 0; i < count; i++, a += s->step, b += s->step)
      for (int v = 0; v < vectors; v++) {
        vec x = load_up_to(a + v * LANES, left);
        if (what == SQUARES) {
          x = sub(x, center[v]);
          sum[v] = madd(x, x, sum[v]);
          continue;
        }
        sum[v] = add(sum[v], x);
        if (what == ERRORS)
          product[v] = madd(x, sub(load_up_to(b + v * LANES, left), center[v]), product[v]);
      }
    for (int v = 0; v < vectors; v++) {
      sums[v] = add(sums[v], sum[v]);
      products[v] = add(products[v], product[v]);
    }
  }
  for (int v = 0; v < vectors; v++) {
    store(found->sums.lanes + first + v * LANES, sums[v]);
    store(found->products.lanes + first + v * LANES, products[v]);
  }
}

// For each column of a strip.
INLINE Sums sums_of(Summed what, const float *a, const float *b, const Strip *s,
                    const Line *centers) {
  Sums found;
  int at = 0;
  a += s->first, b += s->first;
  if (s->lanes == WIDEST) {
    sum_vectors(what, a, b, s, centers, &found, 0, 4, LANES);
  } else {
    if (s->lanes >= 2 * LANES) {
      sum_vectors(what, a, b, s, centers, &found, 0, 2, LANES);
      at = 2 * LANES;
    }
    for (; at + LANES <= s->lanes; at += LANES)
      sum_vectors(what, a, b, s, centers, &found, at, 1, LANES);
    if (at < s->lanes) sum_vectors(what, a, b, s, centers, &found, at, 1, s->lanes - at);
  }
  NOT_UNROLLED for (int i = s->columns; i < s->lanes; i++) {
    found.sums.lanes[i % s->columns] += found.sums.lanes[i];
    found.products.lanes[i % s->columns] += found.products.lanes[i];
  }
  NOT_UNROLLED for (int i = 0; i < s->rest * s->columns; i++) {
    int at_end = s->lines * s->step + i, c = i % s->columns;
    float x = a[at_end], center = centers->lanes[c];
    if (what == SQUARES) x = (x - center) * (x - center);
    found.sums.lanes[c] += x;
    if (what == ERRORS) found.products.lanes[c] += x * (b[at_end] - center);
  }
  return found;
}

NOT_INLINE Sums sums_of_errors(const float *dy, const float *x, const Strip *s, const Line *means) {
  return sums_of(ERRORS, dy, x, s, means);
}

// Mean and variance [columns] of each column's numbers.
void EXPORT(moments)(const float *x, float *mean, float *variance, int rows, int columns) {
  EACH_STRIP(s, rows, columns) {
    Line centers = line_of(&s, 0, 0.0f);
    Sums sums = sums_of(NUMBERS, x, x, &s, &centers);
    for (int c = 0; c < s.columns; c++) mean[s.first + c] = sums.sums.lanes[c] / (float)rows;
    centers = line_of(&s, mean, 0.0f);
    sums = sums_of(SQUARES, x, x, &s, &centers);
    for (int c = 0; c < s.columns; c++) variance[s.first + c] = sums.sums.lanes[c] / (float)rows;
  }
}

// --- what becomes of each number ----------------------------------------------------------------

// y = scale (a - center) + shift; or y = scale a + (tilt b + shift).
typedef enum { MOVED, CORRECTED } Made;

typedef struct {
  Line center, scale, tilt, shift;
} Coefficients;

INLINE vec made_of(Made what, vec a, vec b, vec center, vec scale, vec tilt, vec shift) {
  if (what == MOVED) return madd(sub(a, center), scale, shift);
  return madd(a, scale, madd(b, tilt, shift));
}

INLINE void make_vectors(Made what, const float *a, const float *b, float *y, const Strip *s,
                         const Coefficients *by, int first, int vectors, int left) {
  vec center[4], scale[4], tilt[4], shift[4];
  for (int v = 0; v < vectors; v++) {
    int at = first / LANES + v;
    center[v] = vector_of(&by->center, at), scale[v] = vector_of(&by->scale, at);
    tilt[v] = vector_of(&by->tilt, at), shift[v] = vector_of(&by->shift, at);
  }
  a += first, b += first, y += first;
  NOT_UNROLLED for (int i = 0; i < s->lines; i++, a += s->step, b += s->step, y += s->step)
    for (int v = 0; v < vectors; v++) {
      vec other = what == CORRECTED ? load_up_to(b + v * LANES, left) : zeros();
      vec made = made_of(what, load_up_to(a + v * LANES, left), other, center[v], scale[v],
                         tilt[v], shift[v]);
      store_up_to(y + v * LANES, made, left);
    }
}

// A strip of y, which may be `a`.
INLINE void make(Made what, const float *a, const float *b, float *y, const Strip *s,
                 const Coefficients *by) {
  int at = 0;
  a += s->first, b += s->first, y += s->first;
  if (s->lanes == WIDEST) {
    make_vectors(what, a, b, y, s, by, 0, 4, LANES);
  } else {
    if (s->lanes >= 2 * LANES) {
      make_vectors(what, a, b, y, s, by, 0, 2, LANES);
      at = 2 * LANES;
    }
    for (; at + LANES <= s->lanes; at += LANES)
      make_vectors(what, a, b, y, s, by, at, 1, LANES);
    if (at < s->lanes) make_vectors(what, a, b, y, s, by, at, 1, s->lanes - at);
  }
  NOT_UNROLLED for (int i = 0; i < s->rest * s->columns; i++) {
    int at_end = s->lines * s->step + i, c = i % s->columns;
    vec made = made_of(what, splat(a[at_end]), splat(b[at_end]), splat(by->center.lanes[c]),
                       splat(by->scale.lanes[c]), splat(by->tilt.lanes[c]),
                       splat(by->shift.lanes[c]));
    y[at_end] = wasm_f32x4_extract_lane(made, 0);
  }
}

NOT_INLINE void move(const float *a, float *y, const Strip *s, const Coefficients *by) {
  make(MOVED, a, a, y, s, by);
}

// 1 / sqrt(variance + epsilon) of each column in a line.
NOT_INLINE Line sharpness_of(const Strip *s, const float *variance, float epsilon) {
  Line line = line_of(s, variance, 1.0f);
  for (int i = 0; i < WIDEST; i += LANES) {
    vec width = wasm_f32x4_sqrt(add(load(line.lanes + i), splat(epsilon)));
    store(line.lanes + i, divide(splat(1.0f), width));
  }
  return line;
}

INLINE void multiply_line(Line *line, const Line *by) {
  for (int i = 0; i < WIDEST; i += LANES)
    store(line->lanes + i, mul(load(line->lanes + i), load(by->lanes + i)));
}

// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, by columns. `gamma` of 0 is 1, `beta`
// of 0 is 0; y may be x.
void EXPORT(normalize)(const float *x, const float *mean, const float *variance,
                       const float *gamma, const float *beta, float *y, int rows, int columns,
                       float epsilon) {
  EACH_STRIP(s, rows, columns) {
    Line sharpness = sharpness_of(&s, variance, epsilon);
    Coefficients by = {.center = line_of(&s, mean, 0.0f),
                       .scale = line_of(&s, gamma, 1.0f),
                       .shift = line_of(&s, beta, 0.0f)};
    multiply_line(&by.scale, &sharpness);
    move(x, y, &s, &by);
  }
}

// The gradients by gamma and beta of a strip's columns, each if it is not 0.
INLINE void give_gradients(const Strip *s, const Sums *sums, const Line *sharpness, float *dgamma,
                           float *dbeta) {
  for (int c = 0; c < s->columns; c++) {
    if (dgamma) dgamma[s->first + c] = sums->products.lanes[c] * sharpness->lanes[c];
    if (dbeta) dbeta[s->first + c] = sums->sums.lanes[c];
  }
}

// The gradients of `normalize` where mean and variance do not depend on x. What is not wanted of
// dx, dgamma and dbeta is 0; dx may be dy.
void EXPORT(normalize_gradient)(const float *x, const float *mean, const float *variance,
                                const float *gamma, const float *dy, float *dx, float *dgamma,
                                float *dbeta, int rows, int columns, float epsilon) {
  EACH_STRIP(s, rows, columns) {
    Line sharpness = sharpness_of(&s, variance, epsilon);
    if (dgamma || dbeta) {
      Line means = line_of(&s, mean, 0.0f);
      Sums sums = sums_of_errors(dy, x, &s, &means);
      give_gradients(&s, &sums, &sharpness, dgamma, dbeta);
    }
    if (!dx) continue;
    Coefficients by = {.scale = line_of(&s, gamma, 1.0f)};
    multiply_line(&by.scale, &sharpness);
    move(dy, dx, &s, &by);
  }
}

// The same where they are x's own (Ioffe & Szegedy 2015): of the errors, what would move the mean
// or the deviation has no effect.
void EXPORT(batch_normalization_gradient)(const float *x, const float *mean, const float *variance,
                                          const float *gamma, const float *dy, float *dx,
                                          float *dgamma, float *dbeta, int rows, int columns,
                                          float epsilon) {
  float share = 1.0f / (float)rows;
  EACH_STRIP(s, rows, columns) {
    Line means = line_of(&s, mean, 0.0f), sharpness = sharpness_of(&s, variance, epsilon);
    Sums sums = sums_of_errors(dy, x, &s, &means);
    give_gradients(&s, &sums, &sharpness, dgamma, dbeta);
    if (!dx) continue;
    Coefficients by = {.scale = line_of(&s, gamma, 1.0f)};
    multiply_line(&by.scale, &sharpness);
    NOT_UNROLLED for (int i = 0; i < s.lanes; i++) {
      int c = i % s.columns;
      float scale = by.scale.lanes[i], sharp = sharpness.lanes[i];
      float tilt = -scale * sharp * sharp * sums.products.lanes[c] * share;
      by.tilt.lanes[i] = tilt;
      by.shift.lanes[i] = -scale * sums.sums.lanes[c] * share - tilt * means.lanes[i];
    }
    make(CORRECTED, dy, x, dx, &s, &by);
  }
}
