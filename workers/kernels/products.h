// Sums of products, the inner loops of convolutions and of matrix products.
//
// A tile of four rows by eight columns has its sums in eight registers while it walks along the
// numbers to be summed up. Two registers hold a row of weights and one a number of the image, so
// eleven of the sixteen that x64 has are in use, and V8 spills none. Larger tiles spill.
#pragma once

#include "kernels.h"

enum { TILE_ROWS = 4, TILE_COLUMNS = 8 };

// A window's numbers are a few runs that lie side by side: one for each of its rows, or, when it
// is dilated, one for each of its places.
typedef struct {
  int count, length;
  int *offsets;
} Runs;

// Weights are packed into panels of eight columns (the last of four, when that is enough), so that
// the inner loop reads them one after the other.
INLINE int packed_floats(int rows, int columns) { return rows * round_up(columns, LANES); }

// window * panel, a tile of four pixels by eight (VECTORS = 2) or four columns.
#define SUM_OF_PRODUCTS(name, VECTORS)                                                           \
  INLINE void name(const float *image, const int *pixels, const Runs *runs, const float *panel,  \
                   vec sums[TILE_ROWS][VECTORS]) {                                               \
    for (int p = 0; p < TILE_ROWS; p++)                                                          \
      for (int v = 0; v < VECTORS; v++) sums[p][v] = zeros();                                    \
    int length = runs->length;                                                                   \
    for (int r = 0; r < runs->count; r++) {                                                      \
      const float *from = image + runs->offsets[r];                                              \
      const float *a = from + pixels[0], *b = from + pixels[1];                                  \
      const float *c = from + pixels[2], *d = from + pixels[3];                                  \
      NOT_UNROLLED for (int k = 0; k < length; k++) {                                            \
        vec weights[VECTORS];                                                                    \
        for (int v = 0; v < VECTORS; v++) weights[v] = load(panel + v * LANES);                  \
        panel += VECTORS * LANES;                                                                \
        vec x = load_splat(a++);                                                                 \
        for (int v = 0; v < VECTORS; v++) sums[0][v] = madd(x, weights[v], sums[0][v]);          \
        x = load_splat(b++);                                                                     \
        for (int v = 0; v < VECTORS; v++) sums[1][v] = madd(x, weights[v], sums[1][v]);          \
        x = load_splat(c++);                                                                     \
        for (int v = 0; v < VECTORS; v++) sums[2][v] = madd(x, weights[v], sums[2][v]);          \
        x = load_splat(d++);                                                                     \
        for (int v = 0; v < VECTORS; v++) sums[3][v] = madd(x, weights[v], sums[3][v]);          \
      }                                                                                          \
    }                                                                                            \
  }

SUM_OF_PRODUCTS(sum_of_products_8, 2)
SUM_OF_PRODUCTS(sum_of_products_4, 1)

// y = window * panels + bias, and at least `lowest`: one image, every pixel, every column. `bias`
// has a number for each column, rounded up to four.
static inline void convolve(const float *image, const int *pixels, int pixel_count,
                            const Runs *runs, const float *panels, const float *bias, float lowest,
                            float *y, int columns) {
  int rows = runs->count * runs->length;
  vec bound = splat(lowest);
  for (int f = 0; f < columns; f += TILE_COLUMNS, panels += rows * TILE_COLUMNS) {
    int left = columns - f;
    vec low = load(bias + f), high = left > LANES ? load(bias + f + LANES) : zeros();
    for (int p = 0; p < pixel_count; p += TILE_ROWS) {
      int count = at_most(TILE_ROWS, pixel_count - p);
      float *to = y + p * columns + f;
      if (left <= LANES) {
        vec sums[TILE_ROWS][1];
        sum_of_products_4(image, pixels + p, runs, panels, sums);
        for (int i = 0; i < TILE_ROWS; i++) {
          if (i < count)
            store_part(to + i * columns, larger(add(sums[i][0], low), bound), at_most(left, LANES));
        }
        continue;
      }
      vec sums[TILE_ROWS][2];
      sum_of_products_8(image, pixels + p, runs, panels, sums);
      for (int i = 0; i < TILE_ROWS; i++) {
        if (i >= count) break;
        store(to + i * columns, larger(add(sums[i][0], low), bound));
        if (left >= TILE_COLUMNS)
          store(to + i * columns + LANES, larger(add(sums[i][1], high), bound));
        else
          store_part(to + i * columns + LANES, larger(add(sums[i][1], high), bound), left - LANES);
      }
    }
  }
}

static inline void pack(const float *filter, int rows, int columns, float *packed) {
  for (int f = 0; f < columns; f += TILE_COLUMNS) {
    int left = columns - f, wide = left > LANES ? TILE_COLUMNS : LANES;
    const float *from = filter + f;
    for (int k = 0; k < rows; k++, from += columns, packed += wide) {
      if (left >= TILE_COLUMNS) {
        store(packed, load(from));
        store(packed + LANES, load(from + LANES));
      } else if (wide == TILE_COLUMNS) {
        store(packed, load(from));
        store(packed + LANES, load_part(from + LANES, left - LANES));
      } else {
        store(packed, load_part(from, left));
      }
    }
  }
}

// to [rows, columns] = from [rows, length] * panels, for a number of rows that four divides, and
// of columns that four divides. The rows of `from` are `stride` apart.
#define MULTIPLY_TILE(name, VECTORS)                                                             \
  INLINE void name(const float *from, int stride, int length, const float *panel, float *to,     \
                   int columns) {                                                                \
    vec sums[TILE_ROWS][VECTORS];                                                                \
    const float *row[TILE_ROWS];                                                                 \
    for (int p = 0; p < TILE_ROWS; p++) {                                                        \
      row[p] = from + p * stride;                                                                \
      for (int v = 0; v < VECTORS; v++) sums[p][v] = zeros();                                    \
    }                                                                                            \
    NOT_UNROLLED for (int k = 0; k < length; k++) {                                              \
      vec weights[VECTORS];                                                                      \
      for (int v = 0; v < VECTORS; v++) weights[v] = load(panel + v * LANES);                    \
      panel += VECTORS * LANES;                                                                  \
      for (int p = 0; p < TILE_ROWS; p++) {                                                      \
        vec x = load_splat(row[p] + k);                                                          \
        for (int v = 0; v < VECTORS; v++) sums[p][v] = madd(x, weights[v], sums[p][v]);          \
      }                                                                                          \
    }                                                                                            \
    for (int p = 0; p < TILE_ROWS; p++)                                                          \
      for (int v = 0; v < VECTORS; v++) store(to + p * columns + v * LANES, sums[p][v]);         \
  }

MULTIPLY_TILE(multiply_tile_8, 2)
MULTIPLY_TILE(multiply_tile_4, 1)

static inline void multiply_rows(const float *from, int stride, int rows, int length,
                                 const float *panels, float *to, int columns) {
  for (int f = 0; f < columns; f += TILE_COLUMNS, panels += length * TILE_COLUMNS)
    for (int p = 0; p < rows; p += TILE_ROWS) {
      if (columns - f >= TILE_COLUMNS)
        multiply_tile_8(from + p * stride, stride, length, panels, to + p * columns + f, columns);
      else
        multiply_tile_4(from + p * stride, stride, length, panels, to + p * columns + f, columns);
    }
}

// sums += x(rows) * dy(8 columns), over a strip of pixels; four places of the window that lie side
// by side, or fewer.
#define ADD_OUTER_PRODUCTS(name, ROWS)                                                           \
  INLINE void name(const float *x, const int *pixels, int count, const float *dy, int stride,    \
                   float *sums, int columns) {                                                   \
    vec low[ROWS], high[ROWS];                                                                   \
    for (int i = 0; i < ROWS; i++) {                                                             \
      low[i] = load(sums + i * columns);                                                         \
      high[i] = load(sums + i * columns + LANES);                                                \
    }                                                                                            \
    NOT_UNROLLED for (int p = 0; p < count; p++, dy += stride) {                                 \
      const float *from = x + pixels[p];                                                         \
      vec a = load(dy), b = load(dy + LANES);                                                    \
      for (int i = 0; i < ROWS; i++) {                                                           \
        vec seen = load_splat(from + i);                                                         \
        low[i] = madd(seen, a, low[i]);                                                          \
        high[i] = madd(seen, b, high[i]);                                                        \
      }                                                                                          \
    }                                                                                            \
    for (int i = 0; i < ROWS; i++) {                                                             \
      store(sums + i * columns, low[i]);                                                         \
      store(sums + i * columns + LANES, high[i]);                                                \
    }                                                                                            \
  }

ADD_OUTER_PRODUCTS(add_outer_products_4, 4)
ADD_OUTER_PRODUCTS(add_outer_products_3, 3)
ADD_OUTER_PRODUCTS(add_outer_products_2, 2)
ADD_OUTER_PRODUCTS(add_outer_products_1, 1)

INLINE void add_outer_products(int rows, const float *x, const int *pixels, int count,
                               const float *dy, int stride, float *sums, int columns) {
  if (rows == 4) add_outer_products_4(x, pixels, count, dy, stride, sums, columns);
  else if (rows == 3) add_outer_products_3(x, pixels, count, dy, stride, sums, columns);
  else if (rows == 2) add_outer_products_2(x, pixels, count, dy, stride, sums, columns);
  else add_outer_products_1(x, pixels, count, dy, stride, sums, columns);
}
