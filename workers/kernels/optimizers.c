// One step of an optimizer, over all variables of a model at once: they lie in one block, their
// gradients and what the optimizer remembers in blocks of the same layout. The formulas are those
// of engine/optimizers.py. A block's length is a multiple of four.
#include "kernels.h"

// `velocity` of 0: without momentum.
void EXPORT(sgd)(float *variables, const float *gradients, float *velocity, int count,
                 float momentum, float rate) {
  vec step = splat(rate), inertia = splat(momentum);
  for (int i = 0; i < count; i += LANES) {
    vec move = mul(step, load(gradients + i));
    if (velocity) {
      vec speed = sub(mul(inertia, load(velocity + i)), move);
      store(velocity + i, speed);
      store(variables + i, add(load(variables + i), speed));
    } else {
      store(variables + i, sub(load(variables + i), move));
    }
  }
}

// `decay` is the share that every variable loses before it moves: 0 for Adam, learning rate times
// weight decay for AdamW.
// (1 - beta is given, too: of float32s it would not be the number that float64 has.)
void EXPORT(adam)(float *variables, const float *gradients, float *m, float *v, int count,
                  float beta_1, float rest_1, float beta_2, float rest_2, float epsilon,
                  float decay, float rate) {
  vec step = splat(rate), small = splat(epsilon), lost = splat(decay);
  vec keep_m = splat(beta_1), keep_v = splat(beta_2);
  vec take_m = splat(rest_1), take_v = splat(rest_2);
  for (int i = 0; i < count; i += LANES) {
    vec g = load(gradients + i), variable = load(variables + i);
    vec mean = madd(keep_m, load(m + i), mul(take_m, g));
    vec square = madd(keep_v, load(v + i), mul(take_v, mul(g, g)));
    store(m + i, mean);
    store(v + i, square);
    vec move = divide(mul(step, mean), add(wasm_f32x4_sqrt(square), small));
    variable = sub(variable, mul(lost, variable));
    store(variables + i, sub(variable, move));
  }
}

// Shortens all gradients together, so that their common length is at most `most`.
void EXPORT(clip_by_global_norm)(float *gradients, int count, float most) {
  vec sum = zeros();
  for (int i = 0; i < count; i += LANES) {
    vec g = load(gradients + i);
    sum = madd(g, g, sum);
  }
  float length = __builtin_sqrtf(sum_of_lanes(sum));
  if (!(length > most)) return;
  vec factor = splat(most / length);
  for (int i = 0; i < count; i += LANES) store(gradients + i, mul(load(gradients + i), factor));
}
