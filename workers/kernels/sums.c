// Sums of two blocks of numbers: shortcuts, adapters, and statistics that move.
#include "kernels.h"

enum { BLOCK = 4 * LANES };

// to = x + scale * y, where `to` may be x or y. `x` of 0: scale * y.
void EXPORT_AS(add, add_scaled)(const float *x, const float *y, float *to, int count,
                                float scale) {
  vec factor = splat(scale);
  int i = 0;
  for (; i + BLOCK <= count; i += BLOCK)
    for (int k = i; k < i + BLOCK; k += LANES) {
      vec scaled = load(y + k);
      store(to + k, x ? madd(factor, scaled, load(x + k)) : mul(factor, scaled));
    }
  for (int left; (left = count - i) > 0; i += LANES) {
    vec scaled = load_up_to(y + i, left);
    vec sum = x ? madd(factor, scaled, load_up_to(x + i, left)) : mul(factor, scaled);
    store_up_to(to + i, sum, left);
  }
}

// kept = kept * momentum + found * (1 - momentum). (Of a float32, 1 - momentum would lose digits.)
void EXPORT(blend)(float *kept, const float *found, int count, double momentum) {
  vec stays = splat((float)momentum), comes = splat((float)(1.0 - momentum));
  for (int i = 0; i < count; i += LANES) {
    int left = count - i;
    vec new = mul(load_up_to(found + i, left), comes);
    store_up_to(kept + i, madd(load_up_to(kept + i, left), stays, new), left);
  }
}
