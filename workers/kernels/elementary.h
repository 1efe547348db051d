// Exponential, logarithm and hyperbolic tangent of four numbers, right to about two units in the
// last place: range reduction and short polynomials, after Cephes (Moshier 1989); and the normal
// distribution, on which gelu is built.
#pragma once

#include "kernels.h"

INLINE vec polynomial_step(vec sum, vec x, float next) { return madd(sum, x, splat(next)); }

INLINE vec exponential(vec x) {
  // In this order of arguments a NaN passes: a loss that is none must not look like one.
  x = wasm_f32x4_pmin(wasm_f32x4_pmax(x, splat(-87.3365447504019f)), splat(88.3762626647949f));
  // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the lowest bits.
  vec whole = splat(12582912.0f), shifted = add(mul(x, splat(1.44269504088896341f)), whole);
  vec n = sub(shifted, whole);
  vec r = sub(sub(x, mul(n, splat(0.693359375f))), mul(n, splat(-2.12194440e-4f)));
  vec sum = splat(1.9875691500e-4f);
  sum = polynomial_step(sum, r, 1.3981999507e-3f);
  sum = polynomial_step(sum, r, 8.3334519073e-3f);
  sum = polynomial_step(sum, r, 4.1665795894e-2f);
  sum = polynomial_step(sum, r, 1.6666665459e-1f);
  sum = polynomial_step(sum, r, 5.0000001201e-1f);
  sum = add(add(mul(sum, mul(r, r)), r), splat(1.0f));
  vec power = wasm_i32x4_add(wasm_i32x4_shl(shifted, 23), wasm_i32x4_const_splat(127 << 23));
  return mul(sum, power);
}

// Of a number that is at least 1, as sums of exponentials are.
INLINE float logarithm(float x) {
  union {
    float number;
    uint32_t bits;
  } parts = {x};
  int exponent = (int)(parts.bits >> 23) - 126;
  parts.bits = (parts.bits & 0x007fffffu) | 0x3f000000u;
  float f = parts.number;
  if (f < 0.707106781186547524f) {
    exponent -= 1;
    f += f;
  }
  f -= 1.0f;
  float square = f * f, sum = 7.0376836292e-2f;
  sum = sum * f - 1.1514610310e-1f;
  sum = sum * f + 1.1676998740e-1f;
  sum = sum * f - 1.2420140846e-1f;
  sum = sum * f + 1.4249322787e-1f;
  sum = sum * f - 1.6668057665e-1f;
  sum = sum * f + 2.0000714765e-1f;
  sum = sum * f - 2.4999993993e-1f;
  sum = sum * f + 3.3333331174e-1f;
  float e = (float)exponent;
  float rest = sum * f * square - 2.12194440e-4f * e - 0.5f * square;
  return f + rest + 0.693359375f * e;
}

INLINE vec sigmoid_of(vec x) {
  vec one = splat(1.0f);
  return divide(one, add(one, exponential(wasm_f32x4_neg(x))));
}

// The normal distribution at x: `below`, the share of it that is smaller, and its density there
// times sqrt(2 pi).
typedef struct {
  vec below, density;
} Normal;

// What lies beyond |x| is the density times a smooth function, here a polynomial in 1 / (1 + 0.26
// |x|), fitted so that its largest relative error is smallest. So also the smallest shares have
// all their digits, which 1 + erf(x / sqrt(2)) would lose.
INLINE Normal normal_at(vec x) {
  vec one = splat(1.0f), distance = wasm_f32x4_abs(x);
  vec density = exponential(mul(mul(x, x), splat(-0.5f)));
  vec t = divide(one, madd(distance, splat(0.26f), one));
  vec sum = splat(3.0504938984e-2f);
  sum = polynomial_step(sum, t, -1.5282910714e-1f);
  sum = polynomial_step(sum, t, 2.5149190454e-1f);
  sum = polynomial_step(sum, t, -1.5094965619e-1f);
  sum = polynomial_step(sum, t, 1.6094832507e-1f);
  sum = polynomial_step(sum, t, 5.1027487697e-2f);
  sum = polynomial_step(sum, t, 1.0303029790e-1f);
  sum = polynomial_step(sum, t, 1.0301674040e-1f);
  sum = polynomial_step(sum, t, 1.0375905638e-1f);
  vec beyond = mul(mul(sum, t), density);
  vec is_negative = wasm_f32x4_lt(x, zeros());
  return (Normal){wasm_v128_bitselect(beyond, sub(one, beyond), is_negative), density};
}

INLINE vec gelu_of(vec x) { return mul(x, normal_at(x).below); }

INLINE vec gelu_slope(vec x) {
  Normal normal = normal_at(x);
  return madd(mul(x, normal.density), splat(0.398942280401432678f), normal.below);
}

INLINE vec tanh_of(vec x) {
  vec square = mul(x, x), sum = splat(-5.70498872745e-3f);
  sum = polynomial_step(sum, square, 2.06390887954e-2f);
  sum = polynomial_step(sum, square, -5.37397155531e-2f);
  sum = polynomial_step(sum, square, 1.33314422036e-1f);
  sum = polynomial_step(sum, square, -3.33332819422e-1f);
  vec near = madd(mul(sum, square), x, x);
  vec one = splat(1.0f), two = splat(2.0f);
  vec far = sub(one, divide(two, add(exponential(mul(two, x)), one)));
  return wasm_v128_bitselect(near, far, wasm_f32x4_lt(wasm_f32x4_abs(x), splat(0.625f)));
}
