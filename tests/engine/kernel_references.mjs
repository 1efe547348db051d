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
const density = (x) => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);

/** The normal distribution's share below x: a series near 0, a continued fraction far from it. */
function normal(x) {
  const far = Math.abs(x);
  if (far > 3) {
    let rest = far;
    for (let k = 60; k > 0; k--) rest = far + k / rest;
    const beyond = density(far) / rest;
    return x < 0 ? beyond : 1 - beyond;
  }
  let term = x;
  let sum = x;
  for (let k = 1; k < 80; k++) sum += term *= (x * x) / (2 * k + 1);
  return 0.5 + density(x) * sum;
}

const gelu = (x) => x * normal(x);
export const geluSlope = (x) => normal(x) + x * density(x);
/** As workers/kernels/activations.c numbers them: linear, relu, tanh, sigmoid, gelu. */
export const ACTIVATIONS = [(x) => x, (x) => Math.max(x, 0), Math.tanh, sigmoid, gelu];
/** The derivatives of all but gelu, by what they have given. */
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

// --- normalization --------------------------------------------------------------------------

/** Mean and population variance of each column of [rows, columns]. */
export function moments(x, rows, columns) {
  const mean = new Float64Array(columns);
  const variance = new Float64Array(columns);
  x.forEach((number, i) => (mean[i % columns] += number / rows));
  x.forEach((number, i) => (variance[i % columns] += (number - mean[i % columns]) ** 2 / rows));
  return { mean, variance };
}

/** By columns; `gamma` and `beta` may be missing. */
export function normalize(x, mean, variance, gamma, beta, columns, epsilon) {
  return Float64Array.from(x, (number, i) => {
    const c = i % columns;
    const normalized = (number - mean[c]) / Math.sqrt(variance[c] + epsilon);
    return normalized * (gamma?.[c] ?? 1) + (beta?.[c] ?? 0);
  });
}

/** By columns, where mean and variance are given, or (`ofBatch`) depend on x. */
export function normalizeGradient(x, mean, variance, gamma, dy, columns, epsilon, ofBatch) {
  const rows = x.length / columns;
  const dgamma = new Float64Array(columns);
  const dbeta = new Float64Array(columns);
  const normalized = normalize(x, mean, variance, null, null, columns, epsilon);
  dy.forEach((error, i) => {
    dgamma[i % columns] += error * normalized[i];
    dbeta[i % columns] += error;
  });
  const dx = Float64Array.from(dy, (error, i) => {
    const c = i % columns;
    const without = ofBatch ? (dbeta[c] + normalized[i] * dgamma[c]) / rows : 0;
    return ((error - without) * (gamma?.[c] ?? 1)) / Math.sqrt(variance[c] + epsilon);
  });
  return { dx, dgamma, dbeta };
}

const transposed = (x, rows, columns) =>
  Float64Array.from(x, (_, i) => x[(i % rows) * columns + Math.floor(i / rows)]);

/** Layer normalization is batch normalization lying on its side, but for gamma and beta. */
export function layerNormalization(x, gamma, beta, rows, columns, epsilon) {
  const turned = transposed(x, rows, columns);
  const { mean, variance } = moments(turned, columns, rows);
  const normalized = normalize(turned, mean, variance, null, null, rows, epsilon);
  return transposed(normalized, columns, rows).map(
    (number, i) => number * (gamma?.[i % columns] ?? 1) + (beta?.[i % columns] ?? 0));
}

export function layerNormalizationGradient(x, gamma, dy, rows, columns, epsilon) {
  const turned = transposed(x, rows, columns);
  const { mean, variance } = moments(turned, columns, rows);
  const errors = Float64Array.from(dy, (error, i) => error * (gamma?.[i % columns] ?? 1));
  const turnedErrors = transposed(errors, rows, columns);
  const { dx } = normalizeGradient(turned, mean, variance, null, turnedErrors, rows, epsilon, true);
  const dgamma = new Float64Array(columns);
  const dbeta = new Float64Array(columns);
  const normalized = layerNormalization(x, null, null, rows, columns, epsilon);
  dy.forEach((error, i) => {
    dgamma[i % columns] += error * normalized[i];
    dbeta[i % columns] += error;
  });
  return { dx: transposed(dx, columns, rows), dgamma, dbeta };
}

// --- augmentation ---------------------------------------------------------------------------

/** TensorFlow.js's image.transform; only places are rounded to float32, as it does. */
export function transform(x, coefficients, batch, height, width, channels) {
  const y = new Float64Array(batch * height * width * channels);
  const { fround, floor } = Math;
  const place = ([a, b, c], column, row) => fround(fround(fround(a * column) + fround(b * row)) + c);
  let at = 0;
  for (let n = 0; n < batch; n++) {
    const given = coefficients.subarray(6 * n, 6 * n + 6);
    const pixel = (row, column, channel) =>
      row >= 0 && row < height && column >= 0 && column < width
        ? x[((n * height + row) * width + column) * channels + channel]
        : 0;
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) {
        const across = place(given.subarray(0, 3), j, i);
        const down = place(given.subarray(3, 6), j, i);
        const [left, top] = [floor(across), floor(down)];
        const [right, below] = [across - left, down - top];
        for (let channel = 0; channel < channels; channel++, at++)
          for (const [row, share] of [[top, 1 - below], [top + 1, below]])
            y[at] += share * ((1 - right) * pixel(row, left, channel) + right * pixel(row, left + 1, channel));
      }
  }
  return y;
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
