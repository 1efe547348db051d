// Embedding: every symbol has a row of a table. Symbols come as whole float32 numbers, for that is
// what all inputs of a model are; whoever calls has seen to it that there is a row for each.
#include "kernels.h"

// Rows are short: a loop of our own is quicker than a call that copies.
INLINE void copy_row(const float *from, float *to, int length) {
  for (int i = 0; i < length; i += LANES)
    store_up_to(to + i, load_up_to(from + i, length - i), length - i);
}

// y [count, length]: the table's rows of the symbols, one after the other.
void EXPORT(embedding)(const float *table, const float *symbols, float *y, int count, int length) {
  for (int i = 0; i < count; i++, y += length)
    copy_row(table + (int)symbols[i] * length, y, length);
}

// The gradient by the table [rows, length]: each row's is the sum of its symbol's errors, in the
// order in which they come.
void EXPORT(embedding_gradient)(const float *symbols, const float *dy, float *gradient, int count,
                                int length, int rows) {
  fill_with_zeros(gradient, rows * length);
  for (int n = 0; n < count; n++, dy += length) {
    float *row = gradient + (int)symbols[n] * length;
    for (int i = 0; i < length; i += LANES) {
      int left = length - i;
      store_up_to(row + i, add(load_up_to(row + i, left), load_up_to(dy + i, left)), left);
    }
  }
}
