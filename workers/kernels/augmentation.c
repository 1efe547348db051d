// What augmentation does to a batch of images: they are moved, turned, mirrored, and made noisy.
#include "kernels.h"

// Four places in one direction, and the two whole ones around each: how much those count, which
// is nothing if they lie outside (and then an inner one stands there), and where they are.
typedef struct {
  vec first, second, of_first, of_second;
} Neighbours;

INLINE vec inside(vec place, int length) {
  return wasm_i32x4_max(wasm_i32x4_min(place, wasm_i32x4_splat(length - 1)), wasm_i32x4_splat(0));
}

INLINE Neighbours neighbours_of(vec at, int length) {
  vec before = wasm_f32x4_floor(at), after = add(before, splat(1.0f));
  vec place = wasm_i32x4_trunc_sat_f32x4(before);
  vec next = wasm_i32x4_trunc_sat_f32x4(after);
  vec first = inside(place, length), second = inside(next, length);
  vec of_first = wasm_v128_and(sub(after, at), wasm_i32x4_eq(place, first));
  vec of_second = wasm_v128_and(sub(at, before), wasm_i32x4_eq(next, second));
  // Nothing is added, but to what is no finite place: there must be no finite number.
  return (Neighbours){first, second, add(of_first, sub(at, at)), of_second};
}

// a b c of `line` at four columns: a * column + b * row + c, each step rounded for itself.
INLINE vec places_on(const float *line, vec columns, float row) {
  vec moved = add(mul(splat(line[0]), columns), splat(line[1] * row));
  return add(moved, splat(line[2]));
}

INLINE vec pixels_at(const float *x, vec places) {
  return wasm_f32x4_make(
      x[wasm_i32x4_extract_lane(places, 0)], x[wasm_i32x4_extract_lane(places, 1)],
      x[wasm_i32x4_extract_lane(places, 2)], x[wasm_i32x4_extract_lane(places, 3)]);
}

INLINE vec blended(vec a, vec of_a, vec b, vec of_b) { return add(mul(of_a, a), mul(of_b, b)); }

// y [batch, height, width, channels]. The pixel (row, column) of an output is the one of the input
// at (b0 column + b1 row + b2, a0 column + a1 row + a2), where `coefficients` [batch, 6] are a0 a1
// a2 b0 b1 b2: in between, the four around it are blended; outside of the image all is 0. This is
// TensorFlow.js's image.transform ("bilinear", "constant"), rounded like it.
void EXPORT(transform)(const float *x, const float *coefficients, float *y, int batch, int height,
                       int width, int channels) {
  vec wide = wasm_i32x4_splat(width), deep = wasm_i32x4_splat(channels);
  for (int n = 0; n < batch; n++, x += height * width * channels, coefficients += 6)
    for (int i = 0; i < height; i++)
      for (int j = 0; j < width; j += LANES) {
        vec whole = wasm_i32x4_add(wasm_i32x4_splat(j), wasm_i32x4_const(0, 1, 2, 3));
        vec at = wasm_f32x4_convert_i32x4(whole);
        Neighbours across = neighbours_of(places_on(coefficients, at, (float)i), width);
        Neighbours down = neighbours_of(places_on(coefficients + 3, at, (float)i), height);
        vec upper = wasm_i32x4_mul(down.first, wide), lower = wasm_i32x4_mul(down.second, wide);
        vec corners[4] = {wasm_i32x4_add(upper, across.first), wasm_i32x4_add(upper, across.second),
                          wasm_i32x4_add(lower, across.first), wasm_i32x4_add(lower, across.second)};
        for (int k = 0; k < 4; k++) corners[k] = wasm_i32x4_mul(corners[k], deep);
        int pixels = at_most(width - j, LANES);
        for (int c = 0; c < channels; c++) {
          vec above = blended(pixels_at(x + c, corners[0]), across.of_first,
                              pixels_at(x + c, corners[1]), across.of_second);
          vec below = blended(pixels_at(x + c, corners[2]), across.of_first,
                              pixels_at(x + c, corners[3]), across.of_second);
          vec made = blended(above, down.of_first, below, down.of_second);
          if (channels == 1) {
            store_up_to(y, made, pixels);
            continue;
          }
          float lanes[LANES];
          store(lanes, made);
          for (int k = 0; k < pixels; k++) y[k * channels + c] = lanes[k];
        }
        y += pixels * channels;
      }
}

// Adds noise of a standard deviation: the sum of four random bytes is nearly normal, and a whole
// number, so that the same bits make the same noise on every machine. 510 is its mean, and
// (256^2 - 1) / 12 the variance of each byte.
void EXPORT(add_noise)(float *x, const uint32_t *bits, int count, float deviation) {
  vec step = splat((float)((double)deviation / __builtin_sqrt(4 * (256 * 256 - 1) / 12.0)));
  for (int i = 0; i < count; i += LANES) {
    int left = count - i;
    vec pairs = wasm_u16x8_extadd_pairwise_u8x16(load_up_to((const float *)bits + i, left));
    vec sum = wasm_f32x4_convert_i32x4(wasm_u32x4_extadd_pairwise_u16x8(pairs));
    vec noise = sub(sum, splat(510.0f));
    store_up_to(x + i, madd(noise, step, load_up_to(x + i, left)), left);
  }
}
