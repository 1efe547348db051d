// Convolutions with a window of three, in fewer multiplications.
//
// Four neighbouring outputs of a window of three need twelve multiplications one by one, and six
// in Winograd's way, F(4, 3): y = A' [(G g) * (B' d)], with d the six inputs and g the three
// weights; in two directions 36 instead of 144 (Lavin & Gray 2015, "Fast Algorithms for
// Convolutional Neural Networks"). Over many channels the products in the middle are matrix
// products, one for each of the 36 (or 6) positions:
//
//   forward            V = B' x B    U = G w G'    M = V U      y = A' M A
//   by input           E = A dy A'                 N = E U'    dx = B N B', overlapping tiles added
//   by filter          V, E                        H = V' E    dw = G' H G
//
// The gradients are those of the forward formula, read backwards; by input and by filter share E.
// Rounding errors are a few times those of the direct sums.
//
// Tiles are taken in blocks whose V and M (or V, E and N) stay in the second cache. In one
// direction (windows of 1 x 3) a dilation only means that a tile's numbers are further apart.
#include "winograd.h"

#include "images.h"
#include "products.h"

enum {
  OUTPUTS = 4,                // of a tile, in one direction
  INPUTS = 6,                 // that they see
  BLOCK_FLOATS = 96 * 1024,   // of what a block of tiles becomes
  MOST_TILES = 64,            // of a block
  GAP = 16,                   // between positions, so that they don't share a cache line's place
};

// Everything that follows from a window about its tiles.
typedef struct {
  int is_square;  // 3 x 3, else 1 x 3
  int positions;  // of a tile: 36 or 6
  int tiles;      // of an image
  int block;      // tiles that are worked on together
  int step;       // between a tile's neighbours, across
  int wide;       // filters, rounded up to eight
  Frame input, errors;
  int input_in_place, errors_in_place;
} Tiling;

// One tile of an image: where it begins, in the frames of inputs and of errors.
typedef struct {
  int y, x;
} Tile;

static int tiles_of(int length, int step) {
  int tiles = 0;
  for (int phase = 0; phase < step && phase < length; phase++)
    tiles += ((length - phase + step - 1) / step + OUTPUTS - 1) / OUTPUTS;
  return tiles;
}

static Tiling tile(const Window *g) {
  Tiling t = {.is_square = g->window_height == 3, .step = g->dilation_across};
  int down = t.is_square ? (g->down + OUTPUTS - 1) / OUTPUTS : g->down;
  t.positions = t.is_square ? INPUTS * INPUTS : INPUTS;
  t.tiles = down * tiles_of(g->across, t.step);
  t.wide = round_up(g->outputs, TILE_COLUMNS);
  int floats = at_least(t.positions * (2 * g->channels + t.wide), 1);
  int fitting = BLOCK_FLOATS / floats / TILE_ROWS * TILE_ROWS;
  int most = at_most(MOST_TILES, at_least(TILE_ROWS, fitting));
  t.block = at_most(most, round_up(t.tiles * g->batch, TILE_ROWS));
  int columns = round_up(g->across, OUTPUTS * t.step);
  t.errors = (Frame){.rows = t.is_square ? down * OUTPUTS : down,
                     .columns = columns,
                     .step_down = 1,
                     .step_across = 1};
  t.input = (Frame){.rows = t.is_square ? down * OUTPUTS + 2 : down,
                    .columns = columns + (INPUTS - OUTPUTS) * t.step,
                    .top = g->pad_top,
                    .left = g->pad_left,
                    .step_down = 1,
                    .step_across = 1};
  t.input_in_place = is_the_image_itself(&t.input, g->height, g->width);
  t.errors_in_place = is_the_image_itself(&t.errors, g->down, g->across);
  return t;
}

static Tile *find_tiles(const Window *g, const Tiling *t, Scratch *scratch) {
  Tile *tiles = (Tile *)take_ints(scratch, 2 * t->tiles), *next = tiles;
  int rows = t->is_square ? OUTPUTS : 1;
  for (int y = 0; y < g->down; y += rows)
    for (int phase = 0; phase < t->step && phase < g->across; phase++)
      for (int x = phase; x < g->across; x += OUTPUTS * t->step) *next++ = (Tile){y, x};
  return tiles;
}

// Multiplications and additions of vectors, of a whole image, in the two ways.
int suits_winograd(const Window *g) {
  int is_square = g->window_height == 3 && g->dilation_down == 1 && g->dilation_across == 1;
  int is_flat = g->window_height == 1;
  if (g->window_width != 3 || !(is_square || is_flat)) return 0;
  if (g->stride_down != 1 || g->stride_across != 1) return 0;
  if (g->channels % LANES || g->outputs % LANES) return 0;
  if (g->pad_top < 0 || g->pad_left < 0) return 0;
  Tiling t = tile(g);
  float channels = (float)g->channels, filters = (float)g->outputs;
  float direct = (float)(g->down * g->across) * (is_square ? 9.0f : 3.0f) * channels * filters;
  float products = (float)(t.tiles * t.positions) * channels * filters;
  float transforms = (float)t.tiles * (channels + filters) * (is_square ? 200.0f : 30.0f);
  return products + transforms < 0.9f * direct;
}

// --- the transforms, of six or four numbers in one direction ------------------------------------

// B' d
INLINE void see(vec d[INPUTS], vec out[INPUTS]) {
  vec two = splat(2.0f), four = splat(-4.0f), five = splat(-5.0f);
  vec even = madd(four, d[2], d[4]), odd = madd(four, d[1], d[3]);
  vec evens = sub(d[4], d[2]), odds = sub(d[3], d[1]);
  out[0] = madd(splat(4.0f), d[0], madd(five, d[2], d[4]));
  out[1] = add(even, odd);
  out[2] = sub(even, odd);
  out[3] = madd(two, odds, evens);
  out[4] = madd(splat(-2.0f), odds, evens);
  out[5] = madd(splat(4.0f), d[1], madd(five, d[3], d[5]));
}

// A' m
INLINE void answer(vec m[INPUTS], vec out[OUTPUTS]) {
  vec sum = add(m[1], m[2]), difference = sub(m[1], m[2]);
  vec sum_2 = add(m[3], m[4]), difference_2 = sub(m[3], m[4]);
  out[0] = add(add(m[0], sum), sum_2);
  out[1] = madd(splat(2.0f), difference_2, difference);
  out[2] = madd(splat(4.0f), sum_2, sum);
  out[3] = madd(splat(8.0f), difference_2, add(difference, m[5]));
}

// A e: the answer, read backwards
INLINE void blame(vec e[OUTPUTS], vec out[INPUTS]) {
  vec even = add(e[0], e[2]), odd = add(e[1], e[3]);
  vec even_2 = madd(splat(4.0f), e[2], e[0]), odd_2 = madd(splat(4.0f), e[3], e[1]);
  out[0] = e[0];
  out[1] = add(even, odd);
  out[2] = sub(even, odd);
  out[3] = madd(splat(2.0f), odd_2, even_2);
  out[4] = madd(splat(-2.0f), odd_2, even_2);
  out[5] = e[3];
}

// B n: the seeing, read backwards
INLINE void spread(vec n[INPUTS], vec out[INPUTS]) {
  vec four = splat(4.0f), five = splat(-5.0f);
  vec sum = add(n[1], n[2]), difference = sub(n[1], n[2]);
  vec sum_2 = add(n[3], n[4]), difference_2 = sub(n[3], n[4]);
  out[0] = mul(four, n[0]);
  out[1] = madd(four, sub(n[5], difference), mul(splat(-2.0f), difference_2));
  out[2] = sub(madd(five, n[0], mul(splat(-4.0f), sum)), sum_2);
  out[3] = madd(five, n[5], madd(splat(2.0f), difference_2, difference));
  out[4] = add(add(n[0], sum), sum_2);
  out[5] = n[5];
}

// G g
INLINE void weigh(vec g[3], vec out[INPUTS]) {
  vec ends = add(g[0], g[2]), sixth = splat(-1.0f / 6.0f);
  vec even = madd(splat(1.0f / 6.0f), g[2], mul(splat(1.0f / 24.0f), g[0]));
  vec twelfth = splat(1.0f / 12.0f);
  out[0] = mul(splat(0.25f), g[0]);
  out[1] = mul(sixth, add(ends, g[1]));
  out[2] = mul(sixth, sub(ends, g[1]));
  out[3] = madd(twelfth, g[1], even);
  out[4] = madd(splat(-1.0f / 12.0f), g[1], even);
  out[5] = g[2];
}

// G' u: the weighing, read backwards
INLINE void unweigh(vec u[INPUTS], vec out[3]) {
  vec sixth = splat(1.0f / 6.0f);
  vec sum = mul(sixth, add(u[1], u[2])), difference = mul(sixth, sub(u[2], u[1]));
  vec sum_2 = add(u[3], u[4]), difference_2 = sub(u[3], u[4]);
  out[0] = madd(splat(1.0f / 24.0f), sum_2, sub(mul(splat(0.25f), u[0]), sum));
  out[1] = madd(splat(1.0f / 12.0f), difference_2, difference);
  out[2] = madd(sixth, sum_2, sub(u[5], sum));
}

// Two directions are one after the other: down each column, then along each row. The first reads
// from where the numbers are and the second writes to where they go, so that only the half-way
// numbers are on the stack. In one direction there is one row, and nothing down the columns.

// --- tiles in and out -------------------------------------------------------------------------

// V of one tile: `at` is its row in each of the positions' matrices.
static void store_seen(const Tiling *t, const float *frame, Tile tile, int channels, float *at,
                       int matrix) {
  const float *from = frame + (tile.y * t->input.columns + tile.x) * channels;
  int row = t->input.columns * channels, column = t->step * channels;
  for (int c = 0; c < channels; c += LANES, from += LANES, at += LANES) {
    vec half[INPUTS][INPUTS], in[INPUTS], out[INPUTS];
    if (!t->is_square) {
      for (int x = 0; x < INPUTS; x++) in[x] = load(from + x * column);
      see(in, out);
      for (int x = 0; x < INPUTS; x++) store(at + x * matrix, out[x]);
      continue;
    }
    NOT_UNROLLED for (int x = 0; x < INPUTS; x++) {
      for (int y = 0; y < INPUTS; y++) in[y] = load(from + y * row + x * column);
      see(in, out);
      for (int y = 0; y < INPUTS; y++) half[y][x] = out[y];
    }
    float *to = at;
    NOT_UNROLLED for (int y = 0; y < INPUTS; y++, to += INPUTS * matrix) {
      see(half[y], out);
      for (int x = 0; x < INPUTS; x++) store(to + x * matrix, out[x]);
    }
  }
}

INLINE void store_row(vec out[OUTPUTS], vec bias, vec lowest, float *to, int column, int across) {
  if (across == OUTPUTS)
    for (int x = 0; x < OUTPUTS; x++) store(to + x * column, larger(add(out[x], bias), lowest));
  else
    NOT_UNROLLED for (int x = 0; x < across; x++)
      store(to + x * column, larger(add(out[x], bias), lowest));
}

// y of one tile, as far as it reaches into the image.
static void store_answer(const Window *g, const Tiling *t, const float *at, int matrix, Tile tile,
                         const float *bias, vec lowest, float *y) {
  int filters = g->outputs;
  int down = at_most(OUTPUTS, g->down - tile.y);
  int across = at_most(OUTPUTS, (g->across - tile.x + t->step - 1) / t->step);
  float *to = y + (tile.y * g->across + tile.x) * filters;
  int row = g->across * filters, column = t->step * filters;
  for (int f = 0; f < filters; f += LANES, at += LANES, to += LANES) {
    vec half[OUTPUTS][INPUTS], in[INPUTS], out[OUTPUTS], more = load(bias + f);
    if (!t->is_square) {
      for (int x = 0; x < INPUTS; x++) in[x] = load(at + x * matrix);
      answer(in, out);
      store_row(out, more, lowest, to, column, across);
      continue;
    }
    const float *from = at;
    NOT_UNROLLED for (int x = 0; x < INPUTS; x++, from += matrix) {
      for (int i = 0; i < INPUTS; i++) in[i] = load(from + i * INPUTS * matrix);
      answer(in, out);
      for (int i = 0; i < OUTPUTS; i++) half[i][x] = out[i];
    }
    NOT_UNROLLED for (int i = 0; i < down; i++) {
      answer(half[i], out);
      store_row(out, more, lowest, to + i * row, column, across);
    }
  }
}

// E of one tile.
static void store_blame(const Tiling *t, const float *frame, Tile tile, int filters, float *at,
                        int matrix) {
  const float *from = frame + (tile.y * t->errors.columns + tile.x) * filters;
  int row = t->errors.columns * filters, column = t->step * filters;
  for (int f = 0; f < filters; f += LANES, from += LANES, at += LANES) {
    vec half[INPUTS][OUTPUTS], in[OUTPUTS], out[INPUTS];
    if (!t->is_square) {
      for (int x = 0; x < OUTPUTS; x++) in[x] = load(from + x * column);
      blame(in, out);
      for (int x = 0; x < INPUTS; x++) store(at + x * matrix, out[x]);
      continue;
    }
    NOT_UNROLLED for (int x = 0; x < OUTPUTS; x++) {
      for (int y = 0; y < OUTPUTS; y++) in[y] = load(from + y * row + x * column);
      blame(in, out);
      for (int y = 0; y < INPUTS; y++) half[y][x] = out[y];
    }
    float *to = at;
    NOT_UNROLLED for (int y = 0; y < INPUTS; y++, to += INPUTS * matrix) {
      blame(half[y], out);
      for (int x = 0; x < INPUTS; x++) store(to + x * matrix, out[x]);
    }
  }
}

INLINE void add_row(vec out[INPUTS], float *to, int column) {
  for (int x = 0; x < INPUTS; x++) store(to + x * column, add(load(to + x * column), out[x]));
}

// Adds dx of one tile to its frame.
static void add_spread(const Tiling *t, const float *at, int matrix, Tile tile, int channels,
                       float *frame) {
  float *to = frame + (tile.y * t->input.columns + tile.x) * channels;
  int row = t->input.columns * channels, column = t->step * channels;
  for (int c = 0; c < channels; c += LANES, at += LANES, to += LANES) {
    vec half[INPUTS][INPUTS], in[INPUTS], out[INPUTS];
    if (!t->is_square) {
      for (int x = 0; x < INPUTS; x++) in[x] = load(at + x * matrix);
      spread(in, out);
      add_row(out, to, column);
      continue;
    }
    const float *from = at;
    NOT_UNROLLED for (int x = 0; x < INPUTS; x++, from += matrix) {
      for (int y = 0; y < INPUTS; y++) in[y] = load(from + y * INPUTS * matrix);
      spread(in, out);
      for (int y = 0; y < INPUTS; y++) half[y][x] = out[y];
    }
    NOT_UNROLLED for (int y = 0; y < INPUTS; y++) {
      spread(half[y], out);
      add_row(out, to + y * row, column);
    }
  }
}

static void take_out_of_frame(const Window *g, const Tiling *t, const float *frame, float *image) {
  int top = t->input.top, left = t->input.left, channels = g->channels;
  int width = at_most(g->width, t->input.columns - left);
  for (int y = 0; y < g->height; y++, image += g->width * channels) {
    int row = top + y;
    if (row >= t->input.rows) width = 0;
    if (width > 0)
      copy(image, frame + (row * t->input.columns + left) * channels, width * channels);
    if (width < g->width)
      fill_with_zeros(image + at_least(width, 0) * channels,
                      (g->width - at_least(width, 0)) * channels);
  }
}

// --- weights ------------------------------------------------------------------------------------

// U of four filters of one channel, and the gradient that comes back.
INLINE void weigh_window(int is_square, vec g[3][3], vec u[INPUTS][INPUTS]) {
  if (!is_square) {
    weigh(g[0], u[0]);
    return;
  }
  vec half[INPUTS][3];
  NOT_UNROLLED for (int x = 0; x < 3; x++) {
    vec in[3] = {g[0][x], g[1][x], g[2][x]}, out[INPUTS];
    weigh(in, out);
    for (int y = 0; y < INPUTS; y++) half[y][x] = out[y];
  }
  NOT_UNROLLED for (int y = 0; y < INPUTS; y++) weigh(half[y], u[y]);
}

INLINE void unweigh_window(int is_square, vec u[INPUTS][INPUTS], vec g[3][3]) {
  if (!is_square) {
    unweigh(u[0], g[0]);
    return;
  }
  vec half[3][INPUTS];
  NOT_UNROLLED for (int x = 0; x < INPUTS; x++) {
    vec in[INPUTS], out[3];
    for (int y = 0; y < INPUTS; y++) in[y] = u[y][x];
    unweigh(in, out);
    for (int y = 0; y < 3; y++) half[y][x] = out[y];
  }
  NOT_UNROLLED for (int y = 0; y < 3; y++) unweigh(half[y], g[y]);
}

static void load_window(const Window *g, const float *filter, int channel, int first,
                        vec in[3][3]) {
  for (int y = 0; y < g->window_height; y++)
    for (int x = 0; x < 3; x++)
      in[y][x] = load(filter + ((y * 3 + x) * g->channels + channel) * g->outputs + first);
}

// Where column `f` of row `k` stands in panels of `rows` rows (products.h).
INLINE int packed_at(int rows, int k, int f, int columns) {
  int panel = f / TILE_COLUMNS, wide = at_most(columns - panel * TILE_COLUMNS, TILE_COLUMNS);
  return panel * TILE_COLUMNS * rows + k * wide + f % TILE_COLUMNS;
}

// U, in panels [channels, filters] for each position.
static void pack_weights(const Window *g, const Tiling *t, const float *filter, float *panels) {
  int channels = g->channels, filters = g->outputs, matrix = channels * filters;
  for (int c = 0; c < channels; c++)
    for (int f = 0; f < filters; f += LANES) {
      vec in[3][3], out[INPUTS][INPUTS];
      load_window(g, filter, c, f, in);
      weigh_window(t->is_square, in, out);
      float *to = panels + packed_at(channels, c, f, filters);
      for (int i = 0; i < t->positions; i++) store(to + i * matrix, out[i / INPUTS][i % INPUTS]);
    }
}

// U', in panels [filters, channels]: four channels at a time, so that blocks of 4 x 4 are turned.
static void pack_turned_weights(const Window *g, const Tiling *t, const float *filter,
                                float *panels) {
  int channels = g->channels, filters = g->outputs, matrix = channels * filters;
  for (int c = 0; c < channels; c += LANES)
    for (int f = 0; f < filters; f += LANES) {
      vec u[LANES][INPUTS][INPUTS];
      for (int i = 0; i < LANES; i++) {
        vec in[3][3];
        load_window(g, filter, c + i, f, in);
        weigh_window(t->is_square, in, u[i]);
      }
      for (int i = 0; i < t->positions; i++) {
        vec block[LANES];
        for (int k = 0; k < LANES; k++) block[k] = u[k][i / INPUTS][i % INPUTS];
        transpose(block);
        float *to = panels + i * matrix;
        for (int k = 0; k < LANES; k++)
          store(to + packed_at(filters, f + k, c, channels), block[k]);
      }
    }
}

static void store_filter_gradient(const Window *g, const Tiling *t, const float *sums,
                                  float *gradient) {
  int channels = g->channels, filters = g->outputs, matrix = channels * t->wide;
  for (int c = 0; c < channels; c++)
    for (int f = 0; f < filters; f += LANES) {
      vec in[INPUTS][INPUTS], out[3][3];
      for (int i = 0; i < t->positions; i++)
        in[i / INPUTS][i % INPUTS] = load(sums + i * matrix + c * t->wide + f);
      unweigh_window(t->is_square, in, out);
      for (int y = 0; y < g->window_height; y++)
        for (int x = 0; x < 3; x++)
          store(gradient + ((y * 3 + x) * channels + c) * filters + f, out[y][x]);
    }
}

// --- the whole ----------------------------------------------------------------------------------

int winograd_scratch(const Window *g) {
  Tiling t = tile(g);
  int matrix = g->channels * t.wide;
  int floats = 2 * t.tiles + 2 * t.positions * matrix + 2 * (MOST_TILES + TILE_ROWS) +
               round_up(at_least(g->channels, g->outputs), LANES) +
               t.positions * (t.block * (2 * g->channels + t.wide) + 3 * GAP) +
               2 * frame_floats(&t.input, g->channels) + frame_floats(&t.errors, g->outputs) + 64;
  return floats * (int)sizeof(float);
}

// Rows of a block's matrices, for the sums of outer products.
static int *find_rows(const Tiling *t, int columns, Scratch *scratch) {
  int *rows = take_ints(scratch, t->block + TILE_ROWS - 1);
  for (int i = 0; i < t->block + TILE_ROWS - 1; i++) rows[i] = at_most(i, t->block - 1) * columns;
  return rows;
}

// A matrix product for each position. Rows are taken by four: the last ones of a block that is not
// full are computed from what an earlier block has left there, and never used.
static void multiply(const Tiling *t, const float *from, int matrix, int stride, int count,
                     int length, const float *panels, float *to, int to_matrix, int columns) {
  for (int i = 0; i < t->positions; i++)
    multiply_rows(from + i * matrix, stride, round_up(count, TILE_ROWS), length,
                  panels + i * length * columns, to + i * to_matrix, columns);
}

void winograd_forward(const Window *g, const float *x, const float *filter, const float *bias,
                      float *y, float lowest, Scratch scratch) {
  Tiling t = tile(g);
  int channels = g->channels, filters = g->outputs;
  Tile *tiles = find_tiles(g, &t, &scratch);
  float *panels = take_floats(&scratch, t.positions * channels * filters);
  pack_weights(g, &t, filter, panels);
  float *zero = take_zeros(&scratch, filters);
  int seen_matrix = t.block * channels + GAP, sum_matrix = t.block * filters + GAP;
  float *seen = take_floats(&scratch, t.positions * seen_matrix);
  float *sums = take_floats(&scratch, t.positions * sum_matrix);
  float *framed = t.input_in_place ? 0 : take_zeros(&scratch, frame_floats(&t.input, channels));
  const float *image = 0;
  int all = t.tiles * g->batch;
  for (int first = 0; first < all; first += t.block) {
    int count = at_most(t.block, all - first);
    for (int i = 0; i < count; i++) {
      int n = (first + i) / t.tiles, at = (first + i) % t.tiles;
      if (at == 0 || !image) {
        image = x + n * g->height * g->width * channels;
        if (!t.input_in_place) {
          put_into_frame(image, g->height, g->width, channels, &t.input, framed);
          image = framed;
        }
      }
      store_seen(&t, image, tiles[at], channels, seen + i * channels, seen_matrix);
    }
    multiply(&t, seen, seen_matrix, channels, count, channels, panels, sums, sum_matrix, filters);
    for (int i = 0; i < count; i++) {
      int n = (first + i) / t.tiles, at = (first + i) % t.tiles;
      store_answer(g, &t, sums + i * filters, sum_matrix, tiles[at], bias ? bias : zero,
                   splat(lowest), y + n * g->down * g->across * filters);
    }
  }
}

void winograd_backward(const Window *g, const float *x, const float *filter, const float *dy,
                       float *dx, float *gradient, Scratch scratch) {
  Tiling t = tile(g);
  int channels = g->channels, filters = g->outputs, wide = t.wide;
  Tile *tiles = find_tiles(g, &t, &scratch);
  int *seen_rows = find_rows(&t, channels, &scratch);
  int seen_matrix = t.block * channels + GAP, error_matrix = t.block * wide + GAP;
  float *panels = 0, *spreads = 0, *spread_frame = 0, *sums = 0, *seen = 0, *framed = 0;
  if (dx) {
    panels = take_floats(&scratch, t.positions * channels * filters);
    pack_turned_weights(g, &t, filter, panels);
    spreads = take_floats(&scratch, t.positions * seen_matrix);
    spread_frame = take_floats(&scratch, frame_floats(&t.input, channels));
  }
  if (gradient) {
    sums = take_zeros(&scratch, t.positions * channels * wide);
    seen = take_floats(&scratch, t.positions * seen_matrix);
    if (!t.input_in_place) framed = take_zeros(&scratch, frame_floats(&t.input, channels));
  }
  float *errors = take_zeros(&scratch, t.positions * error_matrix);
  float *error_frame =
      t.errors_in_place ? 0 : take_zeros(&scratch, frame_floats(&t.errors, filters));
  const float *image = 0, *image_errors = 0;
  int all = t.tiles * g->batch;
  for (int first = 0; first < all; first += t.block) {
    int count = at_most(t.block, all - first);
    for (int i = 0; i < count; i++) {
      int n = (first + i) / t.tiles, at = (first + i) % t.tiles;
      if (at == 0) {
        image_errors = dy + n * g->down * g->across * filters;
        if (!t.errors_in_place) {
          put_into_frame(image_errors, g->down, g->across, filters, &t.errors, error_frame);
          image_errors = error_frame;
        }
        if (gradient) image = x + n * g->height * g->width * channels;
        if (gradient && !t.input_in_place) {
          put_into_frame(image, g->height, g->width, channels, &t.input, framed);
          image = framed;
        }
      }
      store_blame(&t, image_errors, tiles[at], filters, errors + i * wide, error_matrix);
      if (gradient) store_seen(&t, image, tiles[at], channels, seen + i * channels, seen_matrix);
    }
    if (gradient) {
      for (int i = 0; i < t.positions; i++)
        for (int c = 0; c < channels; c += TILE_ROWS)
          for (int f = 0; f < wide; f += TILE_COLUMNS)
            add_outer_products_4(seen + i * seen_matrix + c, seen_rows, count,
                                 errors + i * error_matrix + f, wide,
                                 sums + (i * channels + c) * wide + f, wide);
    }
    if (dx) {
      multiply(&t, errors, error_matrix, wide, count, filters, panels, spreads, seen_matrix,
               channels);
      for (int i = 0; i < count; i++) {
        int n = (first + i) / t.tiles, at = (first + i) % t.tiles;
        if (at == 0) fill_with_zeros(spread_frame, frame_floats(&t.input, channels));
        add_spread(&t, spreads + i * channels, seen_matrix, tiles[at], channels, spread_frame);
        if (at == t.tiles - 1)
          take_out_of_frame(g, &t, spread_frame, dx + n * g->height * g->width * channels);
      }
    }
  }
  if (gradient) store_filter_gradient(g, &t, sums, gradient);
}
