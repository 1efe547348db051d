// Images in a frame: with zeros around them, or gaps between their pixels.
#pragma once

#include "kernels.h"

// The pixel (y, x) of an image goes to (top + y * step_down, left + x * step_across) of a larger
// one; what falls outside is left out.
typedef struct {
  int rows, columns, top, left, step_down, step_across;
} Frame;

INLINE int is_the_image_itself(const Frame *frame, int height, int width) {
  return frame->rows <= height && frame->columns == width && frame->top == 0 && frame->left == 0 &&
         frame->step_down == 1 && frame->step_across == 1;
}

static inline void put_into_frame(const float *image, int height, int width, int channels,
                                  const Frame *frame, float *framed) {
  for (int y = 0; y < height; y++) {
    int row = frame->top + y * frame->step_down;
    if (row < 0 || row >= frame->rows) continue;
    const float *from = image + y * width * channels;
    float *to = framed + row * frame->columns * channels;
    if (frame->step_across == 1) {
      int first = at_least(0, -frame->left);
      int behind = at_most(width, frame->columns - frame->left);
      if (behind > first)
        copy(to + (frame->left + first) * channels, from + first * channels,
             (behind - first) * channels);
      continue;
    }
    for (int x = 0; x < width; x++) {
      int column = frame->left + x * frame->step_across;
      if (column >= 0 && column < frame->columns)
        copy(to + column * channels, from + x * channels, channels);
    }
  }
}

INLINE int frame_floats(const Frame *frame, int channels) {
  return frame->rows * frame->columns * channels;
}

// What the windows see of the input.
INLINE Frame input_frame(const Window *g) {
  return (Frame){.rows = (g->down - 1) * g->stride_down + reach_down(g),
                 .columns = (g->across - 1) * g->stride_across + reach_across(g),
                 .top = g->pad_top,
                 .left = g->pad_left,
                 .step_down = 1,
                 .step_across = 1};
}

// The input without padding is used where it lies, also when some of it is out of reach.
INLINE Frame input_frame_or_image(const Window *g) {
  Frame frame = input_frame(g);
  if (g->pad_top == 0 && g->pad_left == 0 && frame.rows <= g->height && frame.columns <= g->width) {
    frame.columns = g->width;
  }
  return frame;
}

// What the turned windows see of the errors.
INLINE Frame error_frame(const Window *g) {
  return (Frame){.rows = g->height + reach_down(g) - 1,
                 .columns = g->width + reach_across(g) - 1,
                 .top = reach_down(g) - 1 - g->pad_top,
                 .left = reach_across(g) - 1 - g->pad_left,
                 .step_down = g->stride_down,
                 .step_across = g->stride_across};
}
