// Depthwise convolution: each channel has filters of its own, [height, width, channels,
// multiplier], and output c * multiplier + m is made of channel c only.
//
// Images are copied into frames first, each channel as often as it has filters, and rounded up to
// four: so the inner loops know neither borders nor multipliers nor ends of rows.
#include "images.h"
#include "kernels.h"

// As put_into_frame, with every channel repeated `copies` times, in rows of `wide` numbers.
static void put_copies(const float *image, int height, int width, int channels, int copies,
                       const Frame *frame, float *framed, int wide) {
  for (int y = 0; y < height; y++) {
    int row = frame->top + y * frame->step_down;
    if (row < 0 || row >= frame->rows) continue;
    for (int x = 0; x < width; x++) {
      int column = frame->left + x * frame->step_across;
      if (column < 0 || column >= frame->columns) continue;
      const float *from = image + (y * width + x) * channels;
      float *to = framed + (row * frame->columns + column) * wide;
      if (copies == 1) {
        copy(to, from, channels);
        continue;
      }
      for (int c = 0; c < channels; c++)
        for (int i = 0; i < copies; i++) *to++ = from[c];
    }
  }
}

// Weights [places, outputs] in rows of `wide` numbers, from the last place to the first if turned.
static void pack_places(const float *filter, int places, int outputs, int turned, float *packed,
                        int wide) {
  for (int place = 0; place < places; place++) {
    int from = turned ? places - 1 - place : place;
    fill_with_zeros(packed + place * wide, wide);
    copy(packed + place * wide, filter + from * outputs, outputs);
  }
}

// The sum over a window that begins at `from`, of four channels.
INLINE vec sum_over_window(const Window *g, const float *from, const float *weights, int columns,
                           int wide) {
  vec sum = zeros();
  for (int y = 0; y < g->window_height; y++) {
    const float *row = from + y * g->dilation_down * columns * wide;
    NOT_UNROLLED for (int x = 0; x < g->window_width; x++) {
      sum = madd(load(row), load(weights), sum);
      row += g->dilation_across * wide;
      weights += wide;
    }
  }
  return sum;
}

// Bytes of scratch space that `depthwise_conv2d` and `depthwise_conv2d_gradients` need.
int EXPORT(depthwise_conv2d_scratch)(WINDOW) {
  Window g = THE_WINDOW;
  Frame input = input_frame(&g), errors = error_frame(&g);
  int wide = round_up(outputs, LANES);
  int frame = at_least(frame_floats(&input, wide), frame_floats(&errors, wide));
  return (frame + window_height * window_width * wide + wide) * (int)sizeof(float);
}

// y [batch, down, across, outputs]; `bias` and `lowest` as conv2d's.
void EXPORT(depthwise_conv2d)(const float *x, const float *filter, const float *bias, float *y,
                              float lowest, char *space, WINDOW) {
  Window g = THE_WINDOW;
  Scratch scratch = {space};
  Frame frame = input_frame(&g);
  int wide = round_up(outputs, LANES), places = window_height * window_width;
  float *weights = take_floats(&scratch, places * wide);
  pack_places(filter, places, outputs, 0, weights, wide);
  float *framed = take_zeros(&scratch, frame_floats(&frame, wide));
  vec bound = splat(lowest);
  for (int n = 0; n < batch; n++) {
    put_copies(x + n * height * width * channels, height, width, channels, outputs / channels,
               &frame, framed, wide);
    for (int i = 0; i < down; i++)
      for (int j = 0; j < across; j++, y += outputs) {
        const float *from = framed + (i * stride_down * frame.columns + j * stride_across) * wide;
        for (int c = 0; c < outputs; c += LANES) {
          vec sum = sum_over_window(&g, from + c, weights + c, frame.columns, wide);
          if (bias) sum = add(sum, load_up_to(bias + c, outputs - c));
          store_up_to(y + c, larger(sum, bound), outputs - c);
        }
      }
  }
}

enum { PLACES_TOGETHER = 3 };

// Adds one image's part to the sums of `count` places that lie side by side, of four channels. (So
// many sums are on their way at once, and an error is loaded once for all.)
INLINE void add_to_places(const Window *g, const float *framed, int columns, int wide,
                          const float *errors, float *sums, int place, int c, int count) {
  int below = place / g->window_width * g->dilation_down;
  int beside = place % g->window_width * g->dilation_across;
  int apart = g->dilation_across * wide, left = g->outputs - c;
  vec sum[PLACES_TOGETHER];
  for (int k = 0; k < count; k++) sum[k] = load(sums + (place + k) * wide + c);
  for (int i = 0; i < g->down; i++) {
    const float *row = framed + c + ((i * g->stride_down + below) * columns + beside) * wide;
    const float *error = errors + i * g->across * g->outputs + c;
    NOT_UNROLLED for (int j = 0; j < g->across; j++) {
      vec found = load_up_to(error, left);
      for (int k = 0; k < count; k++) sum[k] = madd(load(row + k * apart), found, sum[k]);
      row += g->stride_across * wide;
      error += g->outputs;
    }
  }
  for (int k = 0; k < count; k++) store(sums + (place + k) * wide + c, sum[k]);
}

static void find_filter_gradient(const Window *g, const float *x, const float *dy, float *gradient,
                                 Scratch scratch) {
  Frame frame = input_frame(g);
  int outputs = g->outputs, wide = round_up(outputs, LANES), columns = frame.columns;
  int places = g->window_height * g->window_width;
  float *sums = take_zeros(&scratch, places * wide);
  float *framed = take_zeros(&scratch, frame_floats(&frame, wide));
  for (int n = 0; n < g->batch; n++) {
    put_copies(x + n * g->height * g->width * g->channels, g->height, g->width, g->channels,
               outputs / g->channels, &frame, framed, wide);
    const float *errors = dy + n * g->down * g->across * outputs;
    for (int place = 0; place < places;) {
      int together = g->window_width - place % g->window_width >= PLACES_TOGETHER;
      for (int c = 0; c < outputs; c += LANES)
        if (together)
          add_to_places(g, framed, columns, wide, errors, sums, place, c, PLACES_TOGETHER);
        else add_to_places(g, framed, columns, wide, errors, sums, place, c, 1);
      place += together ? PLACES_TOGETHER : 1;
    }
  }
  for (int place = 0; place < places; place++)
    copy(gradient + place * outputs, sums + place * wide, outputs);
}

static void find_input_gradient(const Window *g, const float *filter, const float *dy, float *dx,
                                Scratch scratch) {
  Frame frame = error_frame(g);
  int outputs = g->outputs, wide = round_up(outputs, LANES), copies = outputs / g->channels;
  int places = g->window_height * g->window_width;
  float *weights = take_floats(&scratch, places * wide);
  pack_places(filter, places, outputs, 1, weights, wide);
  float *pixel = take_floats(&scratch, wide);
  float *framed = take_zeros(&scratch, frame_floats(&frame, wide));
  for (int n = 0; n < g->batch; n++) {
    put_copies(dy + n * g->down * g->across * outputs, g->down, g->across, outputs, 1, &frame,
               framed, wide);
    for (int i = 0; i < g->height; i++)
      for (int j = 0; j < g->width; j++, dx += g->channels) {
        const float *from = framed + (i * frame.columns + j) * wide;
        for (int c = 0; c < wide; c += LANES)
          store(pixel + c, sum_over_window(g, from + c, weights + c, frame.columns, wide));
        for (int c = 0; c < g->channels; c++) {
          float sum = 0.0f;
          for (int k = 0; k < copies; k++) sum += pixel[c * copies + k];
          dx[c] = sum;
        }
      }
  }
}

// The gradients by input and filter, as conv2d_gradients.
void EXPORT(depthwise_conv2d_gradients)(const float *x, const float *filter, const float *dy,
                                        float *dx, float *gradient, char *space, WINDOW) {
  Window g = THE_WINDOW;
  Scratch scratch = {space};
  if (gradient) find_filter_gradient(&g, x, dy, gradient, scratch);
  if (dx) find_input_gradient(&g, filter, dy, dx, scratch);
}
