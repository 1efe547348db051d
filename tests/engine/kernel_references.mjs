// What the kernels must give, in float64 and in the plainest way: loops, and no thought of speed.
// A window is described as workers/kernels/kernels.h does it; `order` puts it into an argument list.

export const order = (g) => [
  g.batch, g.height, g.width, g.channels, g.outputs, g.window_height, g.window_width,
  g.stride_down, g.stride_across, g.dilation_down, g.dilation_across, g.pad_top, g.pad_left,
  g.down, g.across,
];

export const sizes = (g) => ({
  x: g.batch * g.height * g.width * g.channels,
  y: g.batch * g.down * g.across * g.outputs,
});

/** Calls `see(pixel of y, pixel of x, place in the window)` for all that meet. */
function slide(g, see) {
  for (let n = 0; n < g.batch; n++)
    for (let i = 0; i < g.down; i++)
      for (let j = 0; j < g.across; j++)
        for (let a = 0; a < g.window_height; a++)
          for (let b = 0; b < g.window_width; b++) {
            const row = i * g.stride_down + a * g.dilation_down - g.pad_top;
            const column = j * g.stride_across + b * g.dilation_across - g.pad_left;
            if (row < 0 || column < 0 || row >= g.height || column >= g.width) continue;
            see(
              (n * g.down + i) * g.across + j,
              (n * g.height + row) * g.width + column,
              a * g.window_width + b,
            );
          }
}

/** The weights of one place, as [input channel, output channel, index of the weight]. */
function weights(g, depthwise) {
  const multiplier = g.outputs / g.channels;
  const found = [];
  for (let c = 0; c < g.channels; c++)
    for (let f = 0; f < g.outputs; f++) {
      if (depthwise && Math.floor(f / multiplier) !== c) continue;
      found.push([c, f, depthwise ? f : c * g.outputs + f]);
    }
  return found;
}

export const weightCount = (g, depthwise) =>
  g.window_height * g.window_width * g.outputs * (depthwise ? 1 : g.channels);

export function convolution(g, x, filter, bias, lowest, depthwise) {
  const y = new Float64Array(sizes(g).y);
  if (bias) for (let i = 0; i < y.length; i++) y[i] = bias[i % g.outputs];
  const each = weights(g, depthwise);
  const perPlace = weightCount(g, depthwise) / (g.window_height * g.window_width);
  slide(g, (to, from, place) => {
    for (const [c, f, w] of each)
      y[to * g.outputs + f] += x[from * g.channels + c] * filter[place * perPlace + w];
  });
  return y.map((number) => Math.max(number, lowest));
}

export function convolutionGradients(g, x, filter, dy, depthwise) {
  const dx = new Float64Array(sizes(g).x);
  const gradient = new Float64Array(weightCount(g, depthwise));
  const each = weights(g, depthwise);
  const perPlace = gradient.length / (g.window_height * g.window_width);
  slide(g, (to, from, place) => {
    for (const [c, f, w] of each) {
      const error = dy[to * g.outputs + f];
      dx[from * g.channels + c] += error * filter[place * perPlace + w];
      gradient[place * perPlace + w] += error * x[from * g.channels + c];
    }
  });
  return { dx, gradient };
}

export function maxPool(g, x) {
  const y = new Float64Array(sizes(g).y).fill(-Infinity);
  const chosen = new Int32Array(y.length);
  slide(g, (to, from) => {
    for (let c = 0; c < g.channels; c++) {
      const number = x[from * g.channels + c];
      if (number > y[to * g.channels + c]) {
        y[to * g.channels + c] = number;
        chosen[to * g.channels + c] = from * g.channels + c;
      }
    }
  });
  return { y, chosen };
}

export function maxPoolGradient(g, x, dy, lowest) {
  const { y, chosen } = maxPool(g, x);
  const dx = new Float64Array(x.length);
  const bias = new Float64Array(g.channels);
  for (let i = 0; i < y.length; i++) {
    if (!(y[i] > lowest)) continue;
    dx[chosen[i]] += dy[i];
    bias[i % g.channels] += dy[i];
  }
  return { dx, bias };
}

function counts(g) {
  const found = new Int32Array(g.batch * g.down * g.across);
  slide(g, (to) => found[to]++);
  return found;
}

export function averagePool(g, x) {
  const y = new Float64Array(sizes(g).y);
  const seen = counts(g);
  slide(g, (to, from) => {
    for (let c = 0; c < g.channels; c++)
      y[to * g.channels + c] += x[from * g.channels + c] / seen[to];
  });
  return y;
}

export function averagePoolGradient(g, dy) {
  const dx = new Float64Array(sizes(g).x);
  const seen = counts(g);
  slide(g, (to, from) => {
    for (let c = 0; c < g.channels; c++)
      dx[from * g.channels + c] += dy[to * g.channels + c] / seen[to];
  });
  return dx;
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
/** As workers/kernels/activations.c numbers them: linear, relu, tanh, sigmoid. */
export const ACTIVATIONS = [(x) => x, (x) => Math.max(x, 0), Math.tanh, sigmoid];
/** Their derivatives, by what they have given. */
export const SLOPES = [() => 1, (y) => (y > 0 ? 1 : 0), (y) => 1 - y * y, (y) => y * (1 - y)];

/** For each row of logits: probabilities, cross-entropy, likeliest class and its probability. */
export function crossEntropy(logits, labels, rows, classes) {
  const probabilities = new Float64Array(rows * classes);
  const errors = new Float64Array(rows);
  const likeliest = new Float64Array(rows);
  const confidences = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    const row = Array.from(logits.subarray(i * classes, (i + 1) * classes));
    const most = Math.max(...row);
    const total = row.reduce((sum, x) => sum + Math.exp(x - most), 0);
    row.forEach((x, c) => (probabilities[i * classes + c] = Math.exp(x - most) / total));
    errors[i] = Math.log(total) + most - row[labels[i]];
    likeliest[i] = row.indexOf(most);
    confidences[i] = 1 / total;
  }
  return { probabilities, errors, likeliest, confidences };
}

/** MT19937, seeded by an array: the words that Python's random.Random gives (Matsumoto & Nishimura). */
export function randomWords(seed, count) {
  const state = new Uint32Array(624);
  state[0] = 19650218;
  for (let i = 1; i < 624; i++)
    state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  let i = 1;
  const step = (factor, more) => {
    const before = state[i - 1];
    state[i] = (state[i] ^ Math.imul(before ^ (before >>> 30), factor)) + more;
    if (++i === 624) [state[0], i] = [state[623], 1];
  };
  for (let k = 0; k < Math.max(624, seed.length); k++) step(1664525, seed[k % seed.length] + (k % seed.length));
  for (let k = 0; k < 623; k++) step(1566083941, -i);
  state[0] = 0x80000000;
  const words = new Uint32Array(count);
  for (let k = 0; k < count; k++) {
    const at = k % 624;
    const y = (state[at] & 0x80000000) | (state[(at + 1) % 624] & 0x7fffffff);
    state[at] = state[(at + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    let word = state[at];
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    words[k] = word ^ (word >>> 18);
  }
  return words;
}
