// Pooling: one number for each window and channel, the largest or the mean. What a window's
// padding holds doesn't count, neither in the maximum nor in the mean.
#include "kernels.h"

// The part of a window that lies on the image, in one direction.
typedef struct {
  int first, behind;
} Part;

INLINE Part part_on_image(int at, int stride, int pad, int window, int length) {
  int first = at * stride - pad;
  return (Part){at_least(first, 0), at_most(first + window, length)};
}

INLINE Part rows_seen(const Window *g, int i) {
  return part_on_image(i, g->stride_down, g->pad_top, g->window_height, g->height);
}

INLINE Part columns_seen(const Window *g, int j) {
  return part_on_image(j, g->stride_across, g->pad_left, g->window_width, g->width);
}

// Windows that neither overlap nor leave anything out write every number of the gradient once.
INLINE int covers_once(const Window *g) {
  return g->stride_down == g->window_height && g->stride_across == g->window_width &&
         g->pad_top == 0 && g->pad_left == 0 && g->down * g->stride_down == g->height &&
         g->across * g->stride_across == g->width;
}

// By far the most common pooling halves the picture: its windows are four pixels, without a loop.
INLINE int halves(const Window *g) {
  return g->window_height == 2 && g->window_width == 2 && covers_once(g);
}

// The largest of up to four channels in one window, whose first pixel is at `from`.
INLINE vec most_of_window(const float *from, int row, int column, int height, int width, int left) {
  vec most = splat(-__builtin_inff());
  NOT_UNROLLED for (int a = 0; a < height; a++)
    NOT_UNROLLED for (int b = 0; b < width; b++)
      most = larger(load_up_to(from + a * row + b * column, left), most);
  return most;
}

INLINE vec most_of_four(const float *from, int row, int column, int left) {
  vec a = load_up_to(from, left), b = load_up_to(from + column, left);
  vec c = load_up_to(from + row, left), d = load_up_to(from + row + column, left);
  return larger(larger(a, b), larger(c, d));
}

// y [batch, down, across, channels]: the largest number of each window.
void EXPORT(max_pool)(const float *x, float *y, WINDOW) {
  Window g = THE_WINDOW;
  int row = width * channels, even = channels / LANES * LANES, two = halves(&g);
  for (int n = 0; n < batch; n++)
    for (int i = 0; i < down; i++) {
      Part rows = rows_seen(&g, i);
      for (int j = 0; j < across; j++, y += channels) {
        Part columns = columns_seen(&g, j);
        const float *from = x + (n * height + rows.first) * row + columns.first * channels;
        int high = rows.behind - rows.first, wide = columns.behind - columns.first;
        if (two)
          NOT_UNROLLED for (int c = 0; c < even; c += LANES)
            store(y + c, most_of_four(from + c, row, channels, LANES));
        else
          for (int c = 0; c < even; c += LANES)
            store(y + c, most_of_window(from + c, row, channels, high, wide, LANES));
        if (even < channels)
          store_part(y + even,
                     most_of_window(from + even, row, channels, high, wide, channels - even),
                     channels - even);
      }
    }
}

// One window of the gradient, for up to four channels. What is `open` is not given away yet.
INLINE void pass_to_most(const float *from, float *to, vec most, vec error, int row, int column,
                         int height, int width, int once, int left) {
  vec open = wasm_i32x4_const_splat(-1);
  for (int a = 0; a < height; a++)
    for (int b = 0; b < width; b++) {
      int at = a * row + b * column;
      vec chosen = wasm_v128_and(wasm_f32x4_eq(load_up_to(from + at, left), most), open);
      open = wasm_v128_andnot(open, chosen);
      vec passed = wasm_v128_and(error, chosen);
      if (!once) passed = add(load_up_to(to + at, left), passed);
      store_up_to(to + at, passed, left);
    }
}

// dx of x, y and dy. Of equal numbers the first takes all. An activation before the pooling can be
// read backwards in the same go: where the largest number is not above `lowest` (0 for a relu,
// -infinity for none), nothing passes. `bias`, if not 0, gets the sums of what passes, by channel.
void EXPORT(max_pool_gradient)(const float *x, const float *y, const float *dy, float *dx,
                               float *bias, float lowest, WINDOW) {
  Window g = THE_WINDOW;
  int row = width * channels, once = covers_once(&g), two = halves(&g);
  if (!once) fill_with_zeros(dx, batch * height * row);
  if (bias) fill_with_zeros(bias, channels);
  vec bound = splat(lowest);
  for (int n = 0; n < batch; n++)
    for (int i = 0; i < down; i++) {
      Part rows = rows_seen(&g, i);
      for (int j = 0; j < across; j++, y += channels, dy += channels) {
        Part columns = columns_seen(&g, j);
        int first = (n * height + rows.first) * row + columns.first * channels;
        int high = rows.behind - rows.first, wide = columns.behind - columns.first;
        for (int c = 0; c < channels; c += LANES) {
          int left = channels - c, at = first + c;
          vec most = load_up_to(y + c, left);
          vec error = wasm_v128_and(load_up_to(dy + c, left), wasm_f32x4_gt(most, bound));
          if (bias) store_up_to(bias + c, add(load_up_to(bias + c, left), error), left);
          if (left < LANES)
            pass_to_most(x + at, dx + at, most, error, row, channels, high, wide, once, left);
          else if (two)
            pass_to_most(x + at, dx + at, most, error, row, channels, 2, 2, 1, LANES);
          else
            pass_to_most(x + at, dx + at, most, error, row, channels, high, wide, once, LANES);
        }
      }
    }
}

INLINE vec share_of(Part rows, Part columns) {
  return splat(1.0f / (float)((rows.behind - rows.first) * (columns.behind - columns.first)));
}

// y [batch, down, across, channels]: the mean of each window.
void EXPORT(average_pool)(const float *x, float *y, WINDOW) {
  Window g = THE_WINDOW;
  int row = width * channels;
  for (int n = 0; n < batch; n++)
    for (int i = 0; i < down; i++) {
      Part rows = rows_seen(&g, i);
      for (int j = 0; j < across; j++) {
        Part columns = columns_seen(&g, j);
        const float *image = x + n * height * row;
        vec share = share_of(rows, columns);
        for (int c = 0; c < channels; c += LANES) {
          int left = channels - c;
          vec sum = zeros();
          for (int a = rows.first; a < rows.behind; a++)
            for (int b = columns.first; b < columns.behind; b++)
              sum = add(sum, load_up_to(image + a * row + b * channels + c, left));
          store_up_to(y + c, mul(sum, share), left);
        }
        y += channels;
      }
    }
}

// dx of dy.
void EXPORT(average_pool_gradient)(const float *dy, float *dx, WINDOW) {
  Window g = THE_WINDOW;
  int row = width * channels;
  fill_with_zeros(dx, batch * height * row);
  for (int n = 0; n < batch; n++)
    for (int i = 0; i < down; i++) {
      Part rows = rows_seen(&g, i);
      for (int j = 0; j < across; j++) {
        Part columns = columns_seen(&g, j);
        float *gradient = dx + n * height * row;
        vec share = share_of(rows, columns);
        for (int c = 0; c < channels; c += LANES) {
          int left = channels - c;
          vec error = mul(load_up_to(dy + c, left), share);
          for (int a = rows.first; a < rows.behind; a++)
            for (int b = columns.first; b < columns.behind; b++) {
              float *to = gradient + a * row + b * channels + c;
              store_up_to(to, add(load_up_to(to, left), error), left);
            }
        }
        dy += channels;
      }
    }
}
