// What all kernels share: how they are exported, and the few vector operations they are made of.
//
// The module has no memory of its own: it works on TensorFlow.js's, on addresses that it is
// given. So it must have no data segment (which would land in the middle of that memory), and
// no state between two calls. Whoever calls gives every buffer, scratch space included, and
// sets `__stack_pointer` before the first call.
//
// All numbers are float32 unless a name says otherwise, images are [batch, height, width,
// channels], filters [height, width, channels, filters], in rows without gaps.
#pragma once

#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT(name) EXPORT_AS(name, name)
// Under another name than C's, where that is taken.
#define EXPORT_AS(exported, name) __attribute__((export_name(#exported))) name
#define INLINE static inline __attribute__((always_inline))
#define NOT_INLINE static __attribute__((noinline))
// Compilers unroll short loops until V8 runs out of registers and spills the sums.
#define NOT_UNROLLED _Pragma("clang loop unroll(disable) vectorize(disable)")

typedef v128_t vec;  // four float32

enum { LANES = 4 };

INLINE vec load(const float *from) { return wasm_v128_load(from); }
INLINE void store(float *to, vec x) { wasm_v128_store(to, x); }
INLINE vec splat(float x) { return wasm_f32x4_splat(x); }
INLINE vec load_splat(const float *from) { return wasm_v128_load32_splat(from); }
INLINE vec zeros(void) { return wasm_f32x4_const_splat(0.0f); }
INLINE vec add(vec a, vec b) { return wasm_f32x4_add(a, b); }
INLINE vec sub(vec a, vec b) { return wasm_f32x4_sub(a, b); }
INLINE vec mul(vec a, vec b) { return wasm_f32x4_mul(a, b); }
INLINE vec divide(vec a, vec b) { return wasm_f32x4_div(a, b); }

// a * b + c. Relaxed SIMD rounds once where the processor can, plain SIMD always twice: that is
// the whole difference between the two variants of the module.
INLINE vec madd(vec a, vec b, vec c) {
#ifdef RELAXED
  return wasm_f32x4_relaxed_madd(a, b, c);
#else
  return wasm_f32x4_add(wasm_f32x4_mul(a, b), c);
#endif
}

// The larger of two numbers, in one instruction. A NaN in `a` stays; one in `b` does not.
INLINE vec larger(vec a, vec b) { return wasm_f32x4_pmax(a, b); }

// The first `count` (1 to 4) numbers of a vector, for the ends of rows.
INLINE vec load_part(const float *from, int count) {
  vec x = zeros();
  if (count > 0) x = wasm_v128_load32_lane(from, x, 0);
  if (count > 1) x = wasm_v128_load32_lane(from + 1, x, 1);
  if (count > 2) x = wasm_v128_load32_lane(from + 2, x, 2);
  if (count > 3) x = wasm_v128_load32_lane(from + 3, x, 3);
  return x;
}

INLINE void store_part(float *to, vec x, int count) {
  if (count > 0) wasm_v128_store32_lane(to, x, 0);
  if (count > 1) wasm_v128_store32_lane(to + 1, x, 1);
  if (count > 2) wasm_v128_store32_lane(to + 2, x, 2);
  if (count > 3) wasm_v128_store32_lane(to + 3, x, 3);
}

INLINE vec load_up_to(const float *from, int left) {
  return left >= LANES ? load(from) : load_part(from, left);
}

INLINE void store_up_to(float *to, vec x, int left) {
  if (left >= LANES) store(to, x);
  else store_part(to, x, left);
}

INLINE float sum_of_lanes(vec x) {
  return (wasm_f32x4_extract_lane(x, 0) + wasm_f32x4_extract_lane(x, 1)) +
         (wasm_f32x4_extract_lane(x, 2) + wasm_f32x4_extract_lane(x, 3));
}

// Four rows of four numbers, turned into columns.
INLINE void transpose(vec rows[LANES]) {
  vec a = wasm_i32x4_shuffle(rows[0], rows[1], 0, 4, 1, 5);
  vec b = wasm_i32x4_shuffle(rows[0], rows[1], 2, 6, 3, 7);
  vec c = wasm_i32x4_shuffle(rows[2], rows[3], 0, 4, 1, 5);
  vec d = wasm_i32x4_shuffle(rows[2], rows[3], 2, 6, 3, 7);
  rows[0] = wasm_i64x2_shuffle(a, c, 0, 2);
  rows[1] = wasm_i64x2_shuffle(a, c, 1, 3);
  rows[2] = wasm_i64x2_shuffle(b, d, 0, 2);
  rows[3] = wasm_i64x2_shuffle(b, d, 1, 3);
}

INLINE int at_least(int a, int b) { return a > b ? a : b; }
INLINE int at_most(int a, int b) { return a < b ? a : b; }
INLINE int round_up(int count, int multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

INLINE void fill_with_zeros(float *to, int count) {
  __builtin_memset(to, 0, (unsigned)count * sizeof(float));
}

INLINE void copy(float *to, const float *from, int count) {
  __builtin_memcpy(to, from, (unsigned)count * sizeof(float));
}

// --- windows that slide over images --------------------------------------------------------

// Every kernel with a window takes these, in this order. `outputs` are filters of a convolution,
// channels times multiplier of a depthwise one, and the channels of a pooling. Padding after an
// image follows from the output's size.
typedef struct {
  int batch, height, width, channels, outputs;
  int window_height, window_width, stride_down, stride_across, dilation_down, dilation_across;
  int pad_top, pad_left, down, across;
} Window;

#define WINDOW                                                                                   \
  int batch, int height, int width, int channels, int outputs, int window_height,                \
      int window_width, int stride_down, int stride_across, int dilation_down,                   \
      int dilation_across, int pad_top, int pad_left, int down, int across

#define THE_WINDOW                                                                               \
  {batch,           height,       width,         channels,      outputs,                         \
   window_height,   window_width, stride_down,   stride_across, dilation_down,                   \
   dilation_across, pad_top,      pad_left,      down,          across}

// How far a window reaches, from its first row (column) to behind its last.
INLINE int reach_down(const Window *g) { return (g->window_height - 1) * g->dilation_down + 1; }
INLINE int reach_across(const Window *g) { return (g->window_width - 1) * g->dilation_across + 1; }

// Scratch space is handed out from its beginning, in pieces that start at 16 bytes.
typedef struct {
  char *free;
} Scratch;

INLINE float *take_floats(Scratch *scratch, int count) {
  float *piece = (float *)scratch->free;
  scratch->free += round_up(count, LANES) * (int)sizeof(float);
  return piece;
}

INLINE float *take_zeros(Scratch *scratch, int count) {
  float *piece = take_floats(scratch, count);
  fill_with_zeros(piece, count);
  return piece;
}

INLINE int *take_ints(Scratch *scratch, int count) { return (int *)take_floats(scratch, count); }
