// Convolution of images, and its gradients by filter and by input: the heart of every step.
//
// All three are sums of products (products.h):
// - forward: a row is an output pixel, a column a filter, summed up over the window.
// - by input: the same, of the errors, with the filter turned by 180 degrees.
// - by filter: a row is a place in the window, a column a filter, summed up over the pixels.
//
// An image that needs padding (or gaps between its errors, where the stride is not 1) is copied
// into scratch space first, one at a time, so that it is still in the cache when it is used. A
// dense layer is a convolution with a window of 1 x 1 over an image of one row, and a causal 1-D
// convolution one over an image of one row that is padded on the left. Windows of 3 x 3 and of
// 1 x 3 that go pixel by pixel need fewer multiplications in another way: winograd.c's.
#include "images.h"
#include "kernels.h"
#include "products.h"
#include "winograd.h"

// The errors of one strip of pixels: half of a usual first cache.
enum { STRIP_FLOATS = 4096 };

// --- where a window's numbers lie -------------------------------------------------------------

static Runs find_runs(const Window *g, int columns, int channels, Scratch *scratch) {
  int is_dense = g->dilation_across == 1 || g->window_width == 1;
  Runs runs = {.count = g->window_height * (is_dense ? 1 : g->window_width),
               .length = channels * (is_dense ? g->window_width : 1)};
  runs.offsets = take_ints(scratch, runs.count);
  int *next = runs.offsets;
  for (int y = 0; y < g->window_height; y++) {
    int row = y * g->dilation_down * columns * channels;
    if (is_dense) {
      *next++ = row;
    } else {
      for (int x = 0; x < g->window_width; x++) *next++ = row + x * g->dilation_across * channels;
    }
  }
  return runs;
}

// Where the window of each output pixel begins. The last is repeated, so that a tile of four can
// begin at any pixel.
static int *find_pixels(int down, int across, int stride_down, int stride_across, int columns,
                        int channels, Scratch *scratch) {
  int *pixels = take_ints(scratch, down * across + TILE_ROWS - 1);
  int *next = pixels;
  for (int y = 0; y < down; y++)
    for (int x = 0; x < across; x++)
      *next++ = (y * stride_down * columns + x * stride_across) * channels;
  for (int i = 1; i < TILE_ROWS; i++, next++) *next = next[-1];
  return pixels;
}

// One place of the turned filter: `wide` channels from `c` on, each filter a row.
static void pack_turned_place(const float *from, int filters, int count, float *packed, int wide) {
  int f = 0;
  if (count == wide)
    for (; f + LANES <= filters; f += LANES)
      for (int half = 0; half < wide; half += LANES) {
        vec block[LANES];
        for (int i = 0; i < LANES; i++) block[i] = load(from + (half + i) * filters + f);
        transpose(block);
        for (int i = 0; i < LANES; i++) store(packed + (f + i) * wide + half, block[i]);
      }
  for (; f < filters; f++)
    for (int i = 0; i < wide; i++)
      packed[f * wide + i] = i < count ? from[i * filters + f] : 0.0f;
}

// Turned by 180 degrees, filters and channels exchanged: [height, width, filters, channels].
static void pack_turned(const float *filter, const Window *g, float *packed) {
  int places = g->window_height * g->window_width, channels = g->channels, filters = g->outputs;
  for (int c = 0; c < channels; c += TILE_COLUMNS) {
    int left = channels - c, wide = left > LANES ? TILE_COLUMNS : LANES;
    for (int place = places - 1; place >= 0; place--, packed += filters * wide)
      pack_turned_place(filter + (place * channels + c) * filters, filters, at_most(left, wide),
                        packed, wide);
  }
}

static int list_floats(int places, int pixels) {
  return round_up(places, LANES) + round_up(pixels + TILE_ROWS - 1, LANES);
}

// --- forward ----------------------------------------------------------------------------------

// Bytes of scratch space that `conv2d` needs.
int EXPORT(conv2d_scratch)(WINDOW) {
  Window g = THE_WINDOW;
  if (suits_winograd(&g)) return winograd_scratch(&g);
  Frame frame = input_frame_or_image(&g);
  int rows = window_height * window_width * channels;
  int floats = round_up(packed_floats(rows, outputs), LANES) + round_up(outputs, LANES) +
               round_up(frame_floats(&frame, channels), LANES) +
               list_floats(window_height * window_width, down * across);
  return floats * (int)sizeof(float);
}

// y [batch, down, across, filters] of x and a filter [height, width, channels, filters].
// `bias` may be 0. What is below `lowest` becomes `lowest`: 0 for a relu, -infinity for none.
void EXPORT(conv2d)(const float *x, const float *filter, const float *bias, float *y,
                    float lowest, char *space, WINDOW) {
  Window g = THE_WINDOW;
  Scratch scratch = {space};
  if (suits_winograd(&g)) {
    winograd_forward(&g, x, filter, bias, y, lowest, scratch);
    return;
  }
  Frame frame = input_frame_or_image(&g);
  Runs runs = find_runs(&g, frame.columns, channels, &scratch);
  int *pixels = find_pixels(down, across, stride_down, stride_across, frame.columns, channels,
                            &scratch);
  int rows = window_height * window_width * channels;
  float *panels = take_floats(&scratch, packed_floats(rows, outputs));
  pack(filter, rows, outputs, panels);
  float *biases = take_zeros(&scratch, round_up(outputs, LANES));
  if (bias) copy(biases, bias, outputs);
  int in_place = is_the_image_itself(&frame, height, width);
  float *framed = in_place ? 0 : take_zeros(&scratch, frame_floats(&frame, channels));
  for (int n = 0; n < batch; n++) {
    const float *image = x + n * height * width * channels;
    if (!in_place) {
      put_into_frame(image, height, width, channels, &frame, framed);
      image = framed;
    }
    convolve(image, pixels, down * across, &runs, panels, biases, lowest,
             y + n * down * across * outputs, outputs);
  }
}

// --- gradients --------------------------------------------------------------------------------

static int input_gradient_floats(const Window *g) {
  Frame frame = error_frame(g);
  int places = g->window_height * g->window_width, rows = places * g->outputs;
  return round_up(packed_floats(rows, g->channels), LANES) + round_up(g->channels, LANES) +
         round_up(frame_floats(&frame, g->outputs), LANES) +
         list_floats(places, g->height * g->width);
}

// A convolution of the errors, with gaps between them where the stride is not 1, with the turned
// filter.
static void find_input_gradient(const Window *g, const float *dy, const float *filter, float *dx,
                                Scratch scratch) {
  int channels = g->channels, filters = g->outputs, pixel_count = g->height * g->width;
  Frame frame = error_frame(g);
  Runs runs = find_runs(g, frame.columns, filters, &scratch);
  int *pixels = find_pixels(g->height, g->width, 1, 1, frame.columns, filters, &scratch);
  int rows = g->window_height * g->window_width * filters;
  float *panels = take_floats(&scratch, packed_floats(rows, channels));
  pack_turned(filter, g, panels);
  float *no_bias = take_zeros(&scratch, round_up(channels, LANES));
  int in_place = is_the_image_itself(&frame, g->down, g->across);
  float *framed = in_place ? 0 : take_zeros(&scratch, frame_floats(&frame, filters));
  for (int n = 0; n < g->batch; n++) {
    const float *errors = dy + n * g->down * g->across * filters;
    if (!in_place) {
      put_into_frame(errors, g->down, g->across, filters, &frame, framed);
      errors = framed;
    }
    convolve(errors, pixels, pixel_count, &runs, panels, no_bias, -__builtin_inff(),
             dx + n * pixel_count * channels, channels);
  }
}

// (Without filters there is nothing to do, and nothing may go wrong.)
static int strip_length(int columns) { return at_least(16, STRIP_FLOATS / at_least(columns, 1)); }

static int filter_gradient_floats(const Window *g) {
  Frame frame = input_frame_or_image(g);
  int columns = round_up(g->outputs, TILE_COLUMNS), pixels = g->down * g->across;
  int places = g->window_height * g->window_width;
  int even = columns == g->outputs ? 0 : (places * g->channels + pixels) * columns;
  int strip = round_up(strip_length(columns), LANES) * (TILE_ROWS + 1);
  return round_up(frame_floats(&frame, g->channels), LANES) + even + strip +
         list_floats(places, pixels);
}

// A strip of pixels, and room for what four places of the window see of it.
typedef struct {
  const int *pixels;
  int count;
  float *seen;
  int *steps;  // 0, 4, 8, ...: where each pixel's four numbers are in `seen`
} Strip;

// Adds what one strip of pixels gives to the sums [window, columns].
//
// Over many columns the numbers of four places are gathered first: the pixels of a wide image lie
// so far apart that they would push each other out of the first cache.
static void add_strip(const Runs *runs, const float *image, const Strip *strip, const float *errors,
                      float *sums, int columns) {
  int count = strip->count, is_wide = columns >= 4 * TILE_COLUMNS;
  for (int r = 0; r < runs->count; r++) {
    const float *from = image + runs->offsets[r];
    for (int k = 0; k < runs->length; k += TILE_ROWS) {
      int rows = at_most(runs->length - k, TILE_ROWS);
      const float *seen = from + k;
      const int *pixels = strip->pixels;
      if (is_wide && rows == TILE_ROWS) {
        for (int p = 0; p < count; p++)
          store(strip->seen + p * TILE_ROWS, load(seen + pixels[p]));
        seen = strip->seen;
        pixels = strip->steps;
      }
      for (int f = 0; f < columns; f += TILE_COLUMNS)
        add_outer_products(rows, seen, pixels, count, errors + f, columns, sums + f, columns);
      sums += rows * columns;
    }
  }
}

// The pixels are taken in strips whose errors stay in the first cache while all of the window's
// places go over them. Filters are rounded up to eight, in scratch space, where they are not
// a multiple of it.
static void find_filter_gradient(const Window *g, const float *x, const float *dy, float *gradient,
                                 Scratch scratch) {
  int channels = g->channels, filters = g->outputs;
  Frame frame = input_frame_or_image(g);
  Runs runs = find_runs(g, frame.columns, channels, &scratch);
  int *pixels = find_pixels(g->down, g->across, g->stride_down, g->stride_across, frame.columns,
                            channels, &scratch);
  int columns = round_up(filters, TILE_COLUMNS), is_even = columns == filters;
  int rows = g->window_height * g->window_width * channels, pixel_count = g->down * g->across;
  float *sums = is_even ? gradient : take_floats(&scratch, rows * columns);
  float *even = is_even ? 0 : take_zeros(&scratch, pixel_count * columns);
  fill_with_zeros(sums, rows * columns);
  int in_place = is_the_image_itself(&frame, g->height, g->width);
  float *framed = in_place ? 0 : take_zeros(&scratch, frame_floats(&frame, channels));
  int longest = strip_length(columns);
  Strip strip = {.seen = take_floats(&scratch, longest * TILE_ROWS),
                 .steps = take_ints(&scratch, longest)};
  for (int i = 0; i < longest; i++) strip.steps[i] = i * TILE_ROWS;
  for (int n = 0; n < g->batch; n++) {
    const float *image = x + n * g->height * g->width * channels;
    const float *errors = dy + n * pixel_count * filters;
    if (!in_place) {
      put_into_frame(image, g->height, g->width, channels, &frame, framed);
      image = framed;
    }
    if (!is_even) {
      for (int p = 0; p < pixel_count; p++) copy(even + p * columns, errors + p * filters, filters);
      errors = even;
    }
    for (int first = 0; first < pixel_count; first += longest) {
      strip.pixels = pixels + first;
      strip.count = at_most(longest, pixel_count - first);
      add_strip(&runs, image, &strip, errors + first * columns, sums, columns);
    }
  }
  if (!is_even)
    for (int k = 0; k < rows; k++) copy(gradient + k * filters, sums + k * columns, filters);
}

// Bytes of scratch space that `conv2d_gradients` needs.
int EXPORT(conv2d_gradients_scratch)(WINDOW) {
  Window g = THE_WINDOW;
  if (suits_winograd(&g)) return winograd_scratch(&g);
  return at_least(input_gradient_floats(&g), filter_gradient_floats(&g)) * (int)sizeof(float);
}

// The gradients by the input, dx [batch, height, width, channels], and by the filter, [height,
// width, channels, filters], of x and of dy [batch, down, across, filters]. One that is not
// wanted is 0, and then so may be what only the other needs.
void EXPORT(conv2d_gradients)(const float *x, const float *filter, const float *dy, float *dx,
                              float *gradient, char *space, WINDOW) {
  Window g = THE_WINDOW;
  Scratch scratch = {space};
  if (suits_winograd(&g)) {
    winograd_backward(&g, x, filter, dy, dx, gradient, scratch);
    return;
  }
  if (gradient) find_filter_gradient(&g, x, dy, gradient, scratch);
  if (dx) find_input_gradient(&g, dy, filter, dx, scratch);
}
