// Runs each kernel by its raw export over many seeded shapes, in a memory of its own, and says how
// far its numbers are from kernel_references.mjs's and what it did that it must not.
//
// Each case is computed three times. Twice its buffers lie between guard numbers, which the output
// and the scratch space hold too at first: quiet NaNs, then huge numbers. What isn't output must be
// the same afterwards, and the two outcomes the same to the bit: whatever is read outside of the
// inputs, or in scratch space before it is written, would show. The third time one of the buffers
// ends where the memory ends, so that even a read that changes nothing is a trap.

import * as reference from "./kernel_references.mjs";

const PAGE = 65536;
const PAGES = 160;
const STACK = PAGE;
const GUARD = 64; // numbers between two buffers, at least
const GUARDS = [0x7fc0dead, 0x7f7ffff0, 0xff7ffff0]; // NaN, huge, hugely negative

/** Seeded numbers (mulberry32): the same cases in every browser. */
export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
  whole(low, high) {
    return low + Math.floor(this.next() * (high - low + 1));
  }
  chance(share) {
    return this.next() < share;
  }
  one(choices) {
    return choices[this.whole(0, choices.length - 1)];
  }
  floats(count, low = -1, high = 1) {
    return Float32Array.from({ length: count }, () => low + this.next() * (high - low));
  }
  integers(count, low, high) {
    return Int32Array.from({ length: count }, () => this.whole(low, high));
  }
}

export class Bench {
  constructor(exports, memory) {
    this.exports = exports;
    this.memory = memory;
    exports.__stack_pointer.value = STACK;
    this.u32 = new Uint32Array(memory.buffer);
  }

  static async load(module) {
    const memory = new WebAssembly.Memory({ initial: PAGES });
    const instance = await WebAssembly.instantiate(module, { env: { memory } });
    return new Bench(instance.exports, memory);
  }

  /** Runs one case; gives the outputs' bits and adds to `faults` what must not be. */
  once(test, round, random, faults) {
    const names = Object.keys(test.buffers);
    const last = round === 2 ? random.one(names.filter((name) => !test.buffers[name].scratch)) : "";
    const at = {};
    const count = (name) => Math.ceil(test.buffers[name].bytes / 4);
    let top = STACK / 4 + 4 * GUARD;
    for (const name of names) {
      if (name === last) continue;
      top += test.buffers[name].scratch ? (4 - (top % 4)) % 4 : random.whole(0, 3);
      at[name] = top;
      top += count(name) + GUARD;
    }
    if (last) at[last] = this.u32.length - count(last);
    if (top > this.u32.length - (last ? count(last) : 0)) throw new Error("this case is too large");
    const { u32 } = this;
    const areas = [[STACK / 4, top]];
    if (last) areas.push([at[last] - 4, u32.length]);
    for (const [from, to] of areas)
      for (let i = from; i < to; i++) u32[i] = round === 1 ? GUARDS[1 + (i & 1)] : GUARDS[0];
    for (const name of names) {
      const { data, bytes } = test.buffers[name];
      if (data) new Uint8Array(this.memory.buffer, at[name] * 4, bytes).set(new Uint8Array(data.buffer, data.byteOffset, bytes));
    }
    const before = areas.map(([from, to]) => u32.slice(from, to));
    const addresses = {};
    for (const name of names) addresses[name] = at[name] * 4;
    test.call(this.exports, addresses);
    const outputs = names.filter((name) => test.buffers[name].output);
    const written = names.filter((name) => test.buffers[name].output || test.buffers[name].scratch);
    const found = {};
    for (const name of outputs) found[name] = u32.slice(at[name], at[name] + count(name));
    for (const name of written) {
      const index = name === last ? 1 : 0;
      const from = at[name] - areas[index][0];
      u32.set(before[index].subarray(from, from + count(name)), at[name]);
    }
    areas.forEach(([from, to], index) => {
      for (let i = from; i < to; i++) {
        if (u32[i] === before[index][i - from]) continue;
        const near = names.find((name) => i >= at[name] - GUARD && i < at[name] + count(name) + GUARD);
        faults.push(`round ${round}: wrote at ${near}[${i - at[near]}] of ${count(near)}`);
        return;
      }
    });
    return { found };
  }

  /** Runs a case in all ways. */
  check(test, random) {
    const faults = [];
    const rounds = [];
    for (const round of [0, 1, 2]) {
      try {
        rounds.push(this.once(test, round, random, faults));
      } catch (fault) {
        faults.push(`round ${round}: ${fault}`);
        this.exports.__stack_pointer.value = STACK;
      }
    }
    const errors = {};
    if (!rounds.length) return { errors, faults };
    for (const [name, bits] of Object.entries(rounds[0].found)) {
      for (const { found } of rounds.slice(1)) {
        const differs = bits.findIndex((number, i) => number !== found[name][i]);
        if (differs >= 0) faults.push(`${name}[${differs}] depends on what lies around the inputs`);
      }
    }
    for (const [name, expected] of Object.entries(test.expected())) {
      const bits = rounds[0].found[name];
      const numbers = test.whole ? bits : new Float32Array(bits.buffer);
      errors[name] = test.apart ? apart(numbers, expected) : distance(numbers, expected);
    }
    return { errors, faults };
  }
}

/** The largest difference, as a share of the largest number. Of equal non-numbers it is 0. */
function distance(numbers, expected) {
  let most = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(numbers[i], expected[i])) continue;
    const difference = Math.abs(numbers[i] - expected[i]);
    worst = Number.isNaN(difference) ? Infinity : Math.max(worst, difference);
  }
  for (const number of expected) most = Math.max(most, Math.abs(number));
  return worst / (most || 1);
}

/** The largest difference, each as a share of its own number. */
function apart(numbers, expected) {
  let worst = 0;
  for (let i = 0; i < expected.length; i++)
    worst = Math.max(worst, distance([numbers[i]], [expected[i]]));
  return worst;
}

// --- buffers ----------------------------------------------------------------------------------

const input = (data) => ({ data, bytes: data.byteLength });
const places = (data) => ({ ...input(data), arePlaces: true });
const output = (count) => ({ output: true, bytes: count * 4 });
const changed = (data) => ({ data, output: true, bytes: data.byteLength });
const scratch = (bytes) => ({ scratch: true, bytes });

// --- shapes -----------------------------------------------------------------------------------

const PADDINGS = ["same", "valid", "explicit", "causal"];

/** Padding before, and how many windows there are, in one direction. None: null. */
function sided(r, padding, length, window, stride, dilation, mostPadding) {
  const reach = (window - 1) * dilation + 1;
  if (padding === "same") {
    const windows = Math.ceil(length / stride);
    return { before: Math.floor(Math.max(0, (windows - 1) * stride + reach - length) / 2), windows };
  }
  let before = 0;
  let after = 0;
  if (padding === "causal") before = reach - 1;
  if (padding === "explicit") [before, after] = [r.whole(0, mostPadding(reach)), r.whole(0, mostPadding(reach))];
  const windows = Math.floor((length + before + after - reach) / stride) + 1;
  return windows > 0 ? { before, windows } : null;
}

/** `kind` is "any", "pool", "depthwise", "row" (dense layers), "winograd", "wide", "wide winograd". */
function randomWindow(r, kind) {
  for (;;) {
    const g = { batch: r.one([1, 1, 2, 3]) };
    const flat = r.chance(0.3);
    const padding = r.one(PADDINGS);
    g.channels = r.one([1, 2, 3, 4, 5, 7, 8, 9, 12, 17]);
    g.outputs = r.one([1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 24]);
    g.height = flat ? 1 : r.whole(1, 13);
    g.width = r.chance(0.1) ? 1 : r.whole(1, 18);
    g.window_height = flat ? 1 : r.whole(1, 5);
    g.window_width = r.whole(1, 5);
    g.stride_down = r.one([1, 1, 2, 3]);
    g.stride_across = r.one([1, 1, 2, 3]);
    g.dilation_down = g.stride_down === 1 && kind !== "pool" ? r.one([1, 1, 2, 3]) : 1;
    g.dilation_across = g.stride_across === 1 && kind !== "pool" ? r.one([1, 1, 2, 3]) : 1;
    if (kind === "winograd") {
      Object.assign(g, { window_height: flat ? 1 : 3, window_width: 3, stride_down: 1, stride_across: 1 });
      Object.assign(g, { dilation_down: 1, dilation_across: flat ? r.one([1, 2, 3, 4, 5, 8]) : 1 });
      Object.assign(g, { channels: 4 * r.whole(1, 6), outputs: 4 * r.whole(1, 6) });
      Object.assign(g, { height: flat ? r.one([1, 1, 1, 3]) : r.whole(1, 15), width: r.whole(1, 27) });
    }
    if (kind.startsWith("wide")) {
      // Many filters, and more pixels than are worked on at a time.
      const side = r.whole(8, 20);
      Object.assign(g, { batch: r.whole(1, 2), height: side, width: r.whole(8, 20) });
      Object.assign(g, { channels: r.one([1, 3, 4, 16, 33]), outputs: r.one([32, 33, 40, 64, 100]) });
      Object.assign(g, { window_height: r.whole(1, 3), window_width: r.whole(1, 3) });
    }
    if (kind === "wide winograd") {
      Object.assign(g, { channels: r.one([4, 16, 32]), outputs: r.one([8, 32, 60]) });
      Object.assign(g, { window_height: 3, window_width: 3, stride_down: 1, stride_across: 1 });
      Object.assign(g, { dilation_down: 1, dilation_across: 1 });
    }
    if (kind === "row") {
      Object.assign(g, { batch: 1, height: 1, width: r.whole(1, 40), window_height: 1, window_width: 1 });
      Object.assign(g, { stride_down: 1, stride_across: 1, dilation_down: 1, dilation_across: 1 });
      Object.assign(g, { channels: r.whole(1, 50), outputs: r.whole(1, 40) });
    }
    if (kind === "depthwise") g.outputs = g.channels * r.one([1, 1, 2, 3]);
    if (kind === "pool") g.outputs = g.channels;
    // A window of a pooling must see some of the image.
    const most = kind === "pool" ? (reach) => reach - 1 : (reach) => reach;
    const down = sided(r, padding, g.height, g.window_height, g.stride_down, g.dilation_down, most);
    const across = sided(r, padding, g.width, g.window_width, g.stride_across, g.dilation_across, most);
    if (!down || !across) continue;
    Object.assign(g, { pad_top: down.before, pad_left: across.before });
    Object.assign(g, { down: down.windows, across: across.windows });
    if (kind === "pool" && !everyWindowSees(g)) continue;
    return g;
  }
}

function everyWindowSees(g) {
  const sees = (at, stride, pad, length) => at * stride - pad < length;
  return sees(g.down - 1, g.stride_down, g.pad_top, g.height) && sees(g.across - 1, g.stride_across, g.pad_left, g.width);
}

// --- cases ------------------------------------------------------------------------------------

function forward(kind, name, depthwise) {
  return (r, exports) => {
    const g = randomWindow(r, kind);
    const x = r.floats(reference.sizes(g).x);
    const filter = r.floats(reference.weightCount(g, depthwise));
    const bias = r.chance(0.7) ? r.floats(g.outputs) : null;
    const lowest = r.chance(0.5) ? 0 : -Infinity;
    const buffers = { x: input(x), filter: input(filter), y: output(reference.sizes(g).y) };
    if (bias) buffers.bias = input(bias);
    buffers.space = scratch(exports[`${name}_scratch`](...reference.order(g)));
    return {
      label: { ...g, bias: !!bias, lowest },
      buffers,
      call: (kernels, at) =>
        kernels[name](at.x, at.filter, at.bias ?? 0, at.y, lowest, at.space, ...reference.order(g)),
      expected: () => ({ y: reference.convolution(g, x, filter, bias, lowest, depthwise) }),
    };
  };
}

function backward(kind, name, depthwise) {
  return (r, exports) => {
    const g = randomWindow(r, kind);
    const x = r.floats(reference.sizes(g).x);
    const filter = r.floats(reference.weightCount(g, depthwise));
    const dy = r.floats(reference.sizes(g).y);
    const wanted = r.one(["both", "both", "dx", "gradient"]);
    const buffers = { dy: input(dy) };
    // What only the other one needs is not given.
    if (wanted !== "dx") Object.assign(buffers, { x: input(x), gradient: output(filter.length) });
    if (wanted !== "gradient") Object.assign(buffers, { filter: input(filter), dx: output(x.length) });
    const scratchName = depthwise ? "depthwise_conv2d_scratch" : `${name}_scratch`;
    buffers.space = scratch(exports[scratchName](...reference.order(g)));
    return {
      label: { ...g, wanted },
      buffers,
      call: (kernels, at) =>
        kernels[name](
          at.x ?? 0, at.filter ?? 0, at.dy, at.dx ?? 0, at.gradient ?? 0, at.space,
          ...reference.order(g),
        ),
      expected: () => {
        const { dx, gradient } = reference.convolutionGradients(g, x, filter, dy, depthwise);
        return wanted === "both" ? { dx, gradient } : wanted === "dx" ? { dx } : { gradient };
      },
    };
  };
}

/** Numbers for poolings: even ones, negative ones, many equal ones. */
function pictures(r, count) {
  const kind = r.one(["even", "negative", "ties", "relu", "large"]);
  const numbers = r.floats(count);
  if (kind === "negative") return numbers.map((x) => x - 1.1);
  if (kind === "ties") return numbers.map((x) => Math.round(2 * x));
  if (kind === "relu") return numbers.map((x) => Math.max(x, 0));
  if (kind === "large") return numbers.map((x) => x * 1e6);
  return numbers;
}

function pool(name) {
  return (r) => {
    const g = randomWindow(r, "pool");
    const x = pictures(r, reference.sizes(g).x);
    return {
      label: g,
      buffers: { x: input(x), y: output(reference.sizes(g).y) },
      call: (kernels, at) => kernels[name](at.x, at.y, ...reference.order(g)),
      expected: () => ({
        y: name === "max_pool" ? reference.maxPool(g, x).y : reference.averagePool(g, x),
      }),
    };
  };
}

function maxPoolGradient(r) {
  const g = randomWindow(r, "pool");
  const x = pictures(r, reference.sizes(g).x);
  const y = Float32Array.from(reference.maxPool(g, x).y);
  const dy = r.floats(y.length);
  const lowest = r.chance(0.5) ? 0 : -Infinity;
  const buffers = { x: input(x), y: input(y), dy: input(dy), dx: output(x.length) };
  if (r.chance(0.5)) buffers.bias = output(g.channels);
  return {
    label: { ...g, lowest },
    buffers,
    call: (kernels, at) =>
      kernels.max_pool_gradient(at.x, at.y, at.dy, at.dx, at.bias ?? 0, lowest, ...reference.order(g)),
    expected: () => {
      const { dx, bias } = reference.maxPoolGradient(g, x, dy, lowest);
      return buffers.bias ? { dx, bias } : { dx };
    },
  };
}

function averagePoolGradient(r) {
  const g = randomWindow(r, "pool");
  const dy = r.floats(reference.sizes(g).y);
  return {
    label: g,
    buffers: { dy: input(dy), dx: output(reference.sizes(g).x) },
    call: (kernels, at) => kernels.average_pool_gradient(at.dy, at.dx, ...reference.order(g)),
    expected: () => ({ dx: reference.averagePoolGradient(g, dy) }),
  };
}

function activate(r) {
  const activation = r.whole(0, 4);
  const far = r.one([1, 10, 80]);
  const x = r.floats(r.whole(1, 70), -far, far);
  const inPlace = r.chance(0.5);
  return {
    label: { activation, far, count: x.length, inPlace },
    apart: activation !== 4 || far === 1, // gelu is nothing at all, far below
    buffers: inPlace ? { y: changed(x) } : { x: input(x), y: output(x.length) },
    call: (kernels, at) => kernels.activate(at.x ?? at.y, at.y, x.length, activation),
    expected: () => ({ y: Float64Array.from(x, reference.ACTIVATIONS[activation]) }),
  };
}

function activationGradient(r) {
  const activation = r.whole(0, 3);
  const [rows, columns] = [r.whole(1, 20), r.whole(1, 40)];
  const y = r.floats(rows * columns, -2, 2).map((x) => reference.ACTIVATIONS[activation](x));
  const dy = r.floats(rows * columns);
  const buffers = { dy: changed(dy), y: input(y) };
  if (r.chance(0.7)) buffers.bias = output(columns);
  return {
    label: { activation, rows, columns },
    buffers,
    call: (kernels, at) =>
      kernels.activation_gradient(at.dy, at.y, at.bias ?? 0, rows, columns, activation),
    expected: () => {
      // Where nothing passes, not even what is no number does.
      const slopes = Float64Array.from(y, reference.SLOPES[activation]);
      const passed = slopes.map((slope, i) => (slope === 0 ? 0 : dy[i] * slope));
      const bias = new Float64Array(columns);
      passed.forEach((error, i) => (bias[i % columns] += error));
      return buffers.bias ? { dy: passed, bias } : { dy: passed };
    },
  };
}

function geluGradient(r) {
  const [rows, columns] = [r.whole(1, 20), r.whole(1, 40)];
  const x = r.floats(rows * columns, ...r.one([[-1, 1], [-4, 4], [-30, 30]]));
  const dy = r.floats(rows * columns);
  const buffers = { dy: changed(dy), x: input(x) };
  if (r.chance(0.7)) buffers.bias = output(columns);
  return {
    label: { rows, columns },
    buffers,
    call: (kernels, at) => kernels.gelu_gradient(at.dy, at.x, at.bias ?? 0, rows, columns),
    expected: () => {
      const passed = Float64Array.from(dy, (error, i) => error * reference.geluSlope(x[i]));
      const bias = new Float64Array(columns);
      passed.forEach((error, i) => (bias[i % columns] += error));
      return buffers.bias ? { dy: passed, bias } : { dy: passed };
    },
  };
}

function dropout(r) {
  const x = r.floats(r.whole(1, 70));
  const bits = Int32Array.from(x, () => Math.floor((r.next() - 0.5) * 2 ** 32));
  const rate = r.one([0.1, 0.25, 0.5, 0.9]);
  const threshold = Math.fround((rate - 0.5) * 2 ** 32);
  const scale = Math.fround(1 / (1 - rate));
  const inPlace = r.chance(0.5);
  const stays = (i) => (Math.fround(bits[i]) > threshold ? Math.fround(x[i] * scale) : 0);
  return {
    label: { count: x.length, rate, inPlace },
    buffers: { ...(inPlace ? {} : { x: input(x) }), bits: input(bits), y: inPlace ? changed(x) : output(x.length) },
    call: (kernels, at) => kernels.dropout(at.x ?? at.y, at.bits, at.y, x.length, threshold, scale),
    expected: () => ({ y: Float64Array.from(x, (_, i) => stays(i)) }),
  };
}

function randomBits(r) {
  const seed = Uint32Array.from({ length: r.whole(1, 9) }, () => Math.floor(r.next() * 2 ** 32));
  const count = r.whole(1, 2000);
  const words = reference.randomWords(seed, count);
  return {
    label: { words: seed.length, count },
    buffers: { seed: input(Uint32Array.of(seed.length, ...seed)), bits: output(count) },
    call: (kernels, at) => kernels.random_bits(at.seed, at.bits, count),
    // As float32 the bits could be NaNs, which all look alike.
    whole: true,
    expected: () => ({ bits: words }),
  };
}

function gather(r) {
  const [examples, length, count] = [r.whole(1, 20), r.whole(1, 30), r.whole(1, 20)];
  const table = r.floats(examples * length);
  const indexes = r.integers(count, 0, examples - 1);
  const expected = Float64Array.from({ length: count * length }, (_, i) =>
    table[indexes[Math.floor(i / length)] * length + (i % length)]);
  return {
    label: { examples, length, count },
    buffers: { table: input(table), indexes: input(indexes), rows: output(expected.length) },
    call: (kernels, at) => kernels.gather(at.table, at.indexes, at.rows, count, length),
    expected: () => ({ rows: expected }),
  };
}

function gatherBytes(r) {
  const [examples, length, count] = [r.whole(1, 20), r.whole(1, 40), r.whole(1, 20)];
  const table = Uint8Array.from({ length: examples * length }, () => r.whole(0, 255));
  const indexes = r.integers(count, 0, examples - 1);
  const scale = Math.fround(r.one([1, 1 / 255, 1 / 16]));
  const expected = Float64Array.from({ length: count * length }, (_, i) =>
    Math.fround(table[indexes[Math.floor(i / length)] * length + (i % length)] * scale));
  return {
    label: { examples, length, count, scale },
    buffers: { table: input(table), indexes: input(indexes), rows: output(expected.length) },
    call: (kernels, at) => kernels.gather_bytes(at.table, at.indexes, at.rows, count, length, scale),
    expected: () => ({ rows: expected }),
  };
}

function someLogits(r) {
  const [rows, classes] = [r.whole(1, 20), r.one([1, 2, 3, 4, 5, 8, 10, 13, 64])];
  const far = r.one([1, 10, 60]);
  const logits = r.floats(rows * classes, -far, far);
  const labels = r.integers(rows, 0, classes - 1);
  const found = () => reference.crossEntropy(logits, labels, rows, classes);
  return { rows, classes, far, logits, labels, found };
}

function softmax(r) {
  const { rows, classes, far, logits, found } = someLogits(r);
  return {
    label: { rows, classes, far },
    buffers: { logits: input(logits), y: output(logits.length) },
    call: (kernels, at) => kernels.softmax(at.logits, at.y, rows, classes),
    expected: () => ({ y: found().probabilities }),
  };
}

function softmaxCrossEntropy(r) {
  const { rows, classes, far, logits, labels, found } = someLogits(r);
  const weights = r.chance(0.5) ? r.floats(classes, 0, 3) : null;
  const buffers = {
    logits: input(logits), labels: input(labels), gradient: output(logits.length), figures: output(2),
  };
  if (weights) buffers.weights = input(weights);
  return {
    label: { rows, classes, far, weights: !!weights },
    buffers,
    call: (kernels, at) =>
      kernels.softmax_cross_entropy(
        at.logits, at.labels, at.weights ?? 0, at.gradient, at.figures, rows, classes),
    expected: () => {
      const { probabilities, errors, likeliest } = found();
      const counts = (row) => (weights ? weights[labels[row]] : 1) / rows;
      const gradient = probabilities.map((p, i) => {
        const row = Math.floor(i / classes);
        return (p - (labels[row] === i % classes ? 1 : 0)) * counts(row);
      });
      const loss = errors.reduce((sum, error, row) => sum + error * counts(row), 0);
      const right = likeliest.filter((c, i) => c === labels[i]).length;
      return { gradient, figures: [loss, right / rows] };
    },
  };
}

function answers(r) {
  const { rows, classes, far, logits, labels, found } = someLogits(r);
  return {
    label: { rows, classes, far },
    buffers: {
      logits: input(logits), labels: input(labels), space: scratch(classes * 4), columns: output(3 * rows),
    },
    call: (kernels, at) => kernels.answers(at.logits, at.labels, at.space, at.columns, rows, classes),
    expected: () => {
      const { errors, likeliest, confidences } = found();
      return { columns: [...errors, ...likeliest, ...confidences] };
    },
  };
}

/** Rows and columns of a batch; some of more rows than are summed up at once. */
function someNumbers(r, most = 40) {
  const columns = r.whole(1, most);
  const rows = r.chance(0.1) ? r.whole(500, 1500) : r.whole(1, 60);
  const middle = r.one([0.5, 0.5, 3]); // not 0, of which a mean has no digits
  return { rows, columns, x: r.floats(rows * columns, middle - 1, middle + 1), epsilon: Math.fround(1e-3) };
}

function momentsCase(r) {
  const { rows, columns, x } = someNumbers(r);
  return {
    label: { rows, columns },
    buffers: { x: input(x), mean: output(columns), variance: output(columns) },
    call: (kernels, at) => kernels.moments(at.x, at.mean, at.variance, rows, columns),
    expected: () => reference.moments(x, rows, columns),
  };
}

/** `gamma` and `beta`, where a case has them. */
function someFactors(r, columns) {
  const gamma = r.chance(0.7) ? r.floats(columns, 0.5, 1.5) : null;
  const beta = r.chance(0.7) ? r.floats(columns) : null;
  return { gamma, beta };
}

const given = (buffers) =>
  Object.fromEntries(Object.entries(buffers).flatMap(([name, data]) => (data ? [[name, input(data)]] : [])));

function normalize(r) {
  const { rows, columns, x, epsilon } = someNumbers(r);
  const [mean, variance] = [r.floats(columns), r.floats(columns, 0.05, 2)];
  const { gamma, beta } = someFactors(r, columns);
  const inPlace = r.chance(0.3);
  return {
    label: { rows, columns, gamma: !!gamma, beta: !!beta, inPlace },
    buffers: { ...given({ mean, variance, gamma, beta }),
      ...(inPlace ? { y: changed(x) } : { x: input(x), y: output(x.length) }) },
    call: (kernels, at) => kernels.normalize(
      at.x ?? at.y, at.mean, at.variance, at.gamma ?? 0, at.beta ?? 0, at.y, rows, columns, epsilon),
    expected: () => ({ y: reference.normalize(x, mean, variance, gamma, beta, columns, epsilon) }),
  };
}

/** The outputs of a gradient that a case wants: dx, dgamma, dbeta, at least one of them. */
function wantedGradients(r, columns, dy) {
  const wanted = r.one([["dx"], ["dx", "dgamma", "dbeta"], ["dx", "dgamma"], ["dx", "dbeta"], ["dgamma", "dbeta"]]);
  const inPlace = wanted.includes("dx") && r.chance(0.4);
  const buffers = inPlace ? { dx: changed(dy) } : { dy: input(dy) };
  for (const name of wanted)
    if (!buffers[name]) buffers[name] = output(name === "dx" ? dy.length : columns);
  const asWanted = (found) => Object.fromEntries(wanted.map((name) => [name, found[name]]));
  return { wanted: wanted.join(), inPlace, buffers, asWanted };
}

function normalizeGradient(name) {
  return (r) => {
    const { rows, columns, x, epsilon } = someNumbers(r);
    const ofBatch = name === "batch_normalization_gradient";
    const own = reference.moments(x, rows, columns);
    const mean = ofBatch ? Float32Array.from(own.mean) : r.floats(columns);
    const variance = ofBatch ? Float32Array.from(own.variance) : r.floats(columns, 0.05, 2);
    const { gamma } = someFactors(r, columns);
    const dy = r.floats(x.length);
    const { wanted, inPlace, buffers, asWanted } = wantedGradients(r, columns, dy);
    return {
      label: { rows, columns, gamma: !!gamma, wanted, inPlace },
      buffers: { ...given({ x, mean, variance, gamma }), ...buffers },
      call: (kernels, at) => kernels[name](
        at.x, at.mean, at.variance, at.gamma ?? 0, at.dy ?? at.dx, at.dx ?? 0, at.dgamma ?? 0,
        at.dbeta ?? 0, rows, columns, epsilon),
      expected: () => asWanted(
        reference.normalizeGradient(x, mean, variance, gamma, dy, columns, epsilon, ofBatch)),
    };
  };
}

function layerNormalization(r) {
  const { rows, columns, x, epsilon } = someNumbers(r, 100);
  const { gamma, beta } = someFactors(r, columns);
  const inPlace = r.chance(0.3);
  return {
    label: { rows, columns, gamma: !!gamma, beta: !!beta, inPlace },
    buffers: { ...given({ gamma, beta }),
      ...(inPlace ? { y: changed(x) } : { x: input(x), y: output(x.length) }) },
    call: (kernels, at) => kernels.layer_normalization(
      at.x ?? at.y, at.gamma ?? 0, at.beta ?? 0, at.y, rows, columns, epsilon),
    expected: () => ({ y: reference.layerNormalization(x, gamma, beta, rows, columns, epsilon) }),
  };
}

function layerNormalizationGradient(r) {
  const { rows, columns, x, epsilon } = someNumbers(r, 100);
  const { gamma } = someFactors(r, columns);
  const dy = r.floats(x.length);
  const { wanted, inPlace, buffers, asWanted } = wantedGradients(r, columns, dy);
  return {
    label: { rows, columns, gamma: !!gamma, wanted, inPlace },
    buffers: { ...given({ x, gamma }), ...buffers },
    call: (kernels, at) => kernels.layer_normalization_gradient(
      at.x, at.gamma ?? 0, at.dy ?? at.dx, at.dx ?? 0, at.dgamma ?? 0, at.dbeta ?? 0, rows, columns, epsilon),
    expected: () => asWanted(reference.layerNormalizationGradient(x, gamma, dy, rows, columns, epsilon)),
  };
}

function embedding(r) {
  const [rows, length, count] = [r.whole(1, 30), r.whole(1, 40), r.whole(1, 50)];
  const table = r.floats(rows * length);
  const symbols = Float32Array.from(r.integers(count, 0, rows - 1));
  return {
    label: { rows, length, count },
    buffers: { table: input(table), symbols: places(symbols), y: output(count * length) },
    call: (kernels, at) => kernels.embedding(at.table, at.symbols, at.y, count, length),
    expected: () => ({
      y: Float64Array.from({ length: count * length }, (_, i) =>
        table[symbols[Math.floor(i / length)] * length + (i % length)]),
    }),
  };
}

function embeddingGradient(r) {
  const [rows, length, count] = [r.whole(1, 30), r.whole(1, 40), r.whole(1, 50)];
  const symbols = Float32Array.from(r.integers(count, 0, rows - 1));
  const dy = r.floats(count * length);
  return {
    label: { rows, length, count },
    buffers: { symbols: places(symbols), dy: input(dy), gradient: output(rows * length) },
    call: (kernels, at) => kernels.embedding_gradient(at.symbols, at.dy, at.gradient, count, length, rows),
    expected: () => {
      const gradient = new Float64Array(rows * length);
      dy.forEach((error, i) => (gradient[symbols[Math.floor(i / length)] * length + (i % length)] += error));
      return { gradient };
    },
  };
}

function transform(r) {
  const [batch, height, width, channels] = [r.whole(1, 3), r.whole(1, 14), r.whole(1, 14), r.one([1, 1, 3, 4, 5])];
  const x = r.floats(batch * height * width * channels);
  const kind = r.one(["still", "moved", "whole", "turned", "any", "away"]);
  const coefficients = new Float32Array(6 * batch);
  for (let n = 0; n < batch; n++) {
    const [angle, near] = [kind === "turned" ? r.next() * 2 : 0, (far) => (2 * r.next() - 1) * far];
    const one = [Math.cos(angle), -Math.sin(angle), 0, Math.sin(angle), Math.cos(angle), 0];
    if (kind === "moved" || kind === "turned") [one[2], one[5]] = [near(3), near(3)];
    if (kind === "whole") [one[0], one[2], one[5]] = [r.one([1, -1]), r.whole(-2, width), r.whole(-2, 2)];
    if (kind === "any") one.forEach((_, i) => (one[i] += near(1)));
    if (kind === "away") [one[2], one[5]] = [near(1e12), near(30)];
    coefficients.set(one, 6 * n);
  }
  return {
    label: { batch, height, width, channels, kind },
    buffers: { x: input(x), coefficients: input(coefficients), y: output(x.length) },
    call: (kernels, at) => kernels.transform(at.x, at.coefficients, at.y, batch, height, width, channels),
    expected: () => ({ y: reference.transform(x, coefficients, batch, height, width, channels) }),
  };
}

function addNoise(r) {
  const x = r.floats(r.whole(1, 70));
  const bits = Uint32Array.from(x, () => Math.floor(r.next() * 2 ** 32));
  const deviation = Math.fround(r.one([0.01, 0.1, 1]));
  const spread = Math.sqrt((4 * (256 * 256 - 1)) / 12);
  return {
    label: { count: x.length, deviation },
    buffers: { x: changed(x), bits: input(bits) },
    call: (kernels, at) => kernels.add_noise(at.x, at.bits, x.length, deviation),
    expected: () => ({
      x: Float64Array.from(x, (number, i) => {
        const sum = [0, 8, 16, 24].reduce((total, shift) => total + ((bits[i] >>> shift) & 255), 0);
        return number + (deviation * (sum - 510)) / spread;
      }),
    }),
  };
}

function sum(r) {
  const count = r.whole(1, 100);
  const [x, y] = [r.floats(count), r.floats(count)];
  const scale = Math.fround(r.one([1, 0.5, -2, 0.1]));
  const kind = r.one(["apart", "into x", "into y", "no x", "no x, in place"]);
  const buffers = {
    apart: { x: input(x), y: input(y), to: output(count) },
    "into x": { to: changed(x), y: input(y) },
    "into y": { x: input(x), to: changed(y) },
    "no x": { y: input(y), to: output(count) },
    "no x, in place": { to: changed(y) },
  }[kind];
  const first = (at) => (kind.startsWith("no") ? 0 : kind === "into x" ? at.to : at.x);
  return {
    label: { count, scale, kind },
    buffers,
    call: (kernels, at) => kernels.add(first(at), at.y ?? at.to, at.to, count, scale),
    expected: () => ({
      to: Float64Array.from(y, (number, i) => (kind.startsWith("no") ? 0 : x[i]) + scale * number),
    }),
  };
}

function blend(r) {
  const count = r.whole(1, 70);
  const [kept, found] = [r.floats(count), r.floats(count)];
  const momentum = r.one([0, 0.5, 0.9, 0.99, 0.999]);
  return {
    label: { count, momentum },
    buffers: { kept: changed(kept), found: input(found) },
    call: (kernels, at) => kernels.blend(at.kept, at.found, count, momentum),
    expected: () => ({
      kept: Float64Array.from(kept, (number, i) => number * momentum + found[i] * (1 - momentum)),
    }),
  };
}

const fours = (r) => 4 * r.whole(1, 20);

function sgd(r) {
  const count = fours(r);
  const [variables, gradients, velocity] = [r.floats(count), r.floats(count), r.floats(count)];
  const rate = Math.fround(r.one([0.1, 0.01, 0.001]));
  const momentum = r.chance(0.5) ? Math.fround(0.9) : 0;
  const buffers = { variables: changed(variables), gradients: input(gradients) };
  if (momentum) buffers.velocity = changed(velocity);
  return {
    label: { count, rate, momentum },
    buffers,
    call: (kernels, at) =>
      kernels.sgd(at.variables, at.gradients, at.velocity ?? 0, count, momentum, rate),
    expected: () => {
      const inertia = (i) => (momentum ? momentum * velocity[i] : 0);
      const speed = Float64Array.from(gradients, (gradient, i) => inertia(i) - rate * gradient);
      const moved = speed.map((v, i) => variables[i] + v);
      return momentum ? { variables: moved, velocity: speed } : { variables: moved };
    },
  };
}

function adam(r) {
  const count = fours(r);
  const [variables, gradients, m] = [r.floats(count), r.floats(count), r.floats(count)];
  const v = r.floats(count, 0, 1);
  const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-7].map(Math.fround);
  const [rest1, rest2] = [1 - 0.9, 1 - 0.999].map(Math.fround);
  const rate = Math.fround(r.one([0.01, 0.001]));
  const decay = Math.fround(r.one([0, 1e-4, 1e-2])); // 0: Adam, else AdamW
  return {
    label: { count, rate, decay },
    buffers: { variables: changed(variables), gradients: input(gradients), m: changed(m), v: changed(v) },
    call: (kernels, at) =>
      kernels.adam(
        at.variables, at.gradients, at.m, at.v, count, beta1, rest1, beta2, rest2, epsilon, decay, rate,
      ),
    expected: () => {
      const means = Float64Array.from(m, (number, i) => beta1 * number + rest1 * gradients[i]);
      const squares = Float64Array.from(v, (number, i) => beta2 * number + rest2 * gradients[i] ** 2);
      const moved = Float64Array.from(variables, (number, i) =>
        number - decay * number - (rate * means[i]) / (Math.sqrt(squares[i]) + epsilon));
      return { variables: moved, m: means, v: squares };
    },
  };
}

function clip(r) {
  const count = fours(r);
  const gradients = r.floats(count);
  const length = Math.hypot(...gradients);
  const most = Math.fround(length * r.one([0.1, 0.9, 1.1, 10]));
  return {
    label: { count, most },
    buffers: { gradients: changed(gradients) },
    call: (kernels, at) => kernels.clip_by_global_norm(at.gradients, count, most),
    expected: () => ({
      gradients: Float64Array.from(gradients, (g) => g * Math.min(1, most / length)),
    }),
  };
}

/** Makers of cases, by the name under which a test asks for them. */
export const KERNELS = {
  conv2d: forward("any", "conv2d"),
  "conv2d winograd": forward("winograd", "conv2d"),
  "conv2d row": forward("row", "conv2d"),
  "conv2d wide": forward("wide", "conv2d"),
  "conv2d wide winograd": forward("wide winograd", "conv2d"),
  conv2d_gradients: backward("any", "conv2d_gradients"),
  "conv2d_gradients winograd": backward("winograd", "conv2d_gradients"),
  "conv2d_gradients row": backward("row", "conv2d_gradients"),
  "conv2d_gradients wide": backward("wide", "conv2d_gradients"),
  "conv2d_gradients wide winograd": backward("wide winograd", "conv2d_gradients"),
  depthwise_conv2d: forward("depthwise", "depthwise_conv2d", true),
  depthwise_conv2d_gradients: backward("depthwise", "depthwise_conv2d_gradients", true),
  max_pool: pool("max_pool"),
  max_pool_gradient: maxPoolGradient,
  average_pool: pool("average_pool"),
  average_pool_gradient: averagePoolGradient,
  activate,
  activation_gradient: activationGradient,
  gelu_gradient: geluGradient,
  dropout,
  random_bits: randomBits,
  gather,
  gather_bytes: gatherBytes,
  softmax,
  softmax_cross_entropy: softmaxCrossEntropy,
  answers,
  moments: momentsCase,
  normalize,
  normalize_gradient: normalizeGradient("normalize_gradient"),
  batch_normalization_gradient: normalizeGradient("batch_normalization_gradient"),
  layer_normalization: layerNormalization,
  layer_normalization_gradient: layerNormalizationGradient,
  embedding,
  embedding_gradient: embeddingGradient,
  transform,
  add_noise: addNoise,
  add: sum,
  blend,
  sgd,
  adam,
  clip_by_global_norm: clip,
};

/**
 * Spoils one number of each case's inputs: where the right result is no finite number then, the
 * kernel's must not look like one. Gives the cases in which it does.
 */
export function checkSpoilt(bench, name, count) {
  const hidden = [];
  let spoilt = 0;
  for (let number = 0; number < count; number++) {
    const random = new Random(number * 104729 + 2);
    const test = KERNELS[name](random, bench.exports);
    const inputs = Object.values(test.buffers).filter(
      ({ data, arePlaces }) => data instanceof Float32Array && !arePlaces);
    const { data } = random.one(inputs);
    data[random.whole(0, data.length - 1)] = random.one([NaN, NaN, Infinity, -Infinity]);
    const { found } = bench.once(test, 0, random, []);
    for (const [output, expected] of Object.entries(test.expected())) {
      const numbers = new Float32Array(found[output].buffer);
      const right = [...expected].map(Number.isFinite);
      if (right.includes(false)) spoilt++;
      const at = right.findIndex((finite, i) => !finite && Number.isFinite(numbers[i]));
      if (at >= 0)
        hidden.push(`${output}[${at}] is ${numbers[at]}: case ${number}, ${JSON.stringify(test.label)}`);
    }
  }
  return { spoilt, hidden };
}

/** `count` cases of one kernel: the worst error of each output, its shape, and all faults. */
export function checkKernel(bench, name, count) {
  const worst = {};
  const faults = [];
  const labels = new Set();
  for (let number = 0; number < count; number++) {
    const random = new Random(number * 7919 + 1);
    const test = KERNELS[name](random, bench.exports);
    const label = JSON.stringify(test.label);
    labels.add(label);
    const found = bench.check(test, random);
    faults.push(...found.faults.map((fault) => `${fault}: case ${number}, ${label}`));
    for (const [output, error] of Object.entries(found.errors))
      if (!(error <= (worst[output]?.error ?? -1))) worst[output] = { error, case: number, label };
  }
  return { count, distinct: labels.size, worst, faults };
}
