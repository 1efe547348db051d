// The bits of engine/randomness.py: MT19937 (Matsumoto & Nishimura 1998), seeded by an array as
// Python's random.Random is by a large integer, so that the same key gives the same bits in both.
#include "kernels.h"

enum { STATE = 624, DISTANCE = 397 };

INLINE uint32_t mixed(uint32_t before) { return before ^ (before >> 30); }

static void seed_state(uint32_t *state, const uint32_t *seed, int words) {
  state[0] = 19650218u;
  for (int i = 1; i < STATE; i++) state[i] = 1812433253u * mixed(state[i - 1]) + (uint32_t)i;
  int i = 1, j = 0;
  for (int k = at_least(STATE, words); k > 0; k--) {
    state[i] = (state[i] ^ (mixed(state[i - 1]) * 1664525u)) + seed[j] + (uint32_t)j;
    if (++j == words) j = 0;
    if (++i == STATE) {
      state[0] = state[STATE - 1];
      i = 1;
    }
  }
  for (int k = STATE - 1; k > 0; k--) {
    state[i] = (state[i] ^ (mixed(state[i - 1]) * 1566083941u)) - (uint32_t)i;
    if (++i == STATE) {
      state[0] = state[STATE - 1];
      i = 1;
    }
  }
  state[0] = 0x80000000u;
}

INLINE uint32_t twisted(uint32_t upper, uint32_t lower, uint32_t far) {
  uint32_t y = (upper & 0x80000000u) | (lower & 0x7fffffffu);
  return far ^ (y >> 1) ^ ((0u - (y & 1u)) & 0x9908b0dfu);
}

// Each loop reads what stands at least 227 places away from what it writes, or what comes next.
static void advance(uint32_t *state) {
  int rest = STATE - DISTANCE;
  for (int i = 0; i < rest; i++) state[i] = twisted(state[i], state[i + 1], state[i + DISTANCE]);
  for (int i = rest; i < STATE - 1; i++)
    state[i] = twisted(state[i], state[i + 1], state[i - rest]);
  state[STATE - 1] = twisted(state[STATE - 1], state[0], state[DISTANCE - 1]);
}

INLINE uint32_t tempered(uint32_t y) {
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

// `count` words of 32 bits. The seed is how many words it has, and these, the lowest first.
void EXPORT(random_bits)(const uint32_t *seed, uint32_t *bits, int count) {
  uint32_t state[STATE];
  seed_state(state, seed + 1, (int)seed[0]);
  for (int first = 0; first < count; first += STATE) {
    advance(state);
    int some = at_most(STATE, count - first);
    for (int i = 0; i < some; i++) bits[first + i] = tempered(state[i]);
  }
}
