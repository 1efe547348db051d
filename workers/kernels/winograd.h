// Convolutions in fewer multiplications (winograd.c), for those whose windows suit it.
#pragma once

#include "kernels.h"

// Whether it is right for this convolution, and worth it.
int suits_winograd(const Window *g);

// Bytes of scratch space that either direction needs.
int winograd_scratch(const Window *g);

// As `conv2d` and `conv2d_gradients` (convolution.c).
void winograd_forward(const Window *g, const float *x, const float *filter, const float *bias,
                      float *y, float lowest, Scratch scratch);
void winograd_backward(const Window *g, const float *x, const float *filter, const float *dy,
                       float *dx, float *gradient, Scratch scratch);
