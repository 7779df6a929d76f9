"""C text that is the same for every kernel: threads, copies, functions of one number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# tanh(x) = x p(x^2) / q(x^2), fitted to a relative error of 6e-8 for |x| <= 9.02; beyond, it is 1
TANH_BOUND = 9.02
TANH_P = (
    0.9999999404208116,
    0.1291793518500831,
    0.002919370276125768,
    9.254719489506256e-06,
    -1.2742500998256126e-08,
    1.8158967108791515e-11,
)
TANH_Q = (1.0, 0.46251218272954875, 0.02375747482473371, 0.0002279077784216168)


def number(value: float) -> str:
    """A float literal."""
    return f"{float(np.float32(value))!r}f"  # a float's repr has a point or an exponent


def functions() -> str:
    """``tanh_`` and ``sigmoid_``, without branches, so that loops of them become vectors."""

    def horner(coefficients: Sequence[float]) -> str:
        text = number(coefficients[-1])
        for c in coefficients[-2::-1]:
            text = f"({text} * s + {number(c)})"
        return text

    bound = number(TANH_BOUND)
    return f"""
static inline float tanh_(float x) {{
  float c = x > {bound} ? {bound} : x; /* a NaN stays one */
  c = c < -{bound} ? -{bound} : c;
  const float s = c * c;
  return c * {horner(TANH_P)} / {horner(TANH_Q)};
}}
static inline float sigmoid_(float x) {{ return 0.5f + 0.5f * tanh_(0.5f * x); }}
"""


HEAD = """
#include <pthread.h>
#include <stdlib.h>

#if defined(__clang__)
#define EACH _Pragma("clang loop vectorize(assume_safety)")
#else
#define EACH _Pragma("GCC ivdep")
#endif
"""

RUNTIME = """
struct call {
  const float *const *in;
  float *const *out;
  const float *packed;
  float *sums;
  long batch, steps, tile, tiles, threads, sum_size;
  size_t scratch;
  void (*run)(const struct call *, long, float *, float *);
};

struct worker { const struct call *c; long first; int failed; };

static float *floats(size_t n) {
  return aligned_alloc(64, (n * sizeof(float) + 127) / 64 * 64);
}

/* the rows of the next step lie far apart: ask for them in time */
static inline void ahead(const float *a, long n) {
  for (long i = 0; i < n; i += 16) __builtin_prefetch(a + i);
}

static inline void copy(long rows, long n, const float *a, long da, float *b, long db, long next) {
  for (long r = 0; r < rows; r++) {
    if (next) ahead(a + r * da + next, n);
    __builtin_memcpy(b + r * db, a + r * da, n * sizeof(float));
  }
}

static inline void zero(long rows, long n, float *b, long db) {
  for (long r = 0; r < rows; r++) __builtin_memset(b + r * db, 0, n * sizeof(float));
}

static inline void add_rows(long rows, long n, const float *restrict a, float *restrict g) {
  for (long r = 0; r < rows; r++)
    for (long i = 0; i < n; i++) g[i] += a[r * n + i];
}

static inline void exchange(float **a, float **b) {
  float *kept = *a;
  *a = *b;
  *b = kept;
}

static inline void reduce(float *out, const float *sums, long size, long count, long rows, long n,
                          long padded) {
  for (long r = 0; r < rows; r++)
    for (long i = 0; i < n; i++) {
      float total = 0.0f;
      for (long k = 0; k < count; k++) total += sums[k * size + r * padded + i];
      out[r * n + i] = total;
    }
}

static void *work(void *argument) {
  struct worker *w = argument;
  const struct call *c = w->c;
#ifdef __SSE__ /* numbers too small for a normal exponent are zero: they would take ages */
  const unsigned int mode = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(mode | 0x8040);
#endif
  float *scratch = floats(c->scratch);
  w->failed = scratch == NULL;
  if (scratch)
    for (long i = w->first; i < c->tiles; i += c->threads)
      c->run(c, i, scratch, c->sums + w->first * c->sum_size);
  free(scratch);
#ifdef __SSE__
  __builtin_ia32_ldmxcsr(mode);
#endif
  return NULL;
}

static int run_all(const struct call *c) {
  struct worker *w = calloc(c->threads, sizeof *w);
  pthread_t *ids = calloc(c->threads, sizeof *ids);
  int failed = w == NULL || ids == NULL;
  long started = 1;
  for (long i = 0; !failed && i < c->threads; i++) w[i] = (struct worker){c, i, 0};
  for (; !failed && started < c->threads; started++)
    if (pthread_create(ids + started, NULL, work, w + started)) break;
  if (!failed) {
    work(w);
    for (long i = started; i < c->threads; i++) work(w + i); /* a thread that could not start */
    for (long i = 1; i < started; i++) pthread_join(ids[i], NULL);
    for (long i = 0; i < c->threads; i++) failed |= w[i].failed;
  }
  free(w);
  free(ids);
  return failed;
}
"""

ENTRY = """
static void {name}_tile(const struct call *c, long index, float *restrict s,
                        float *restrict sums) {{
  const long steps = c->steps, row0 = index * c->tile;
  const long rows = c->batch - row0 < c->tile ? c->batch - row0 : c->tile;
  const float *restrict packed = c->packed;
  (void)packed, (void)sums;
{before}
  for ({loop}) {{
{step}
  }}
{end}
}}

int {name}(const float *const *in, float *const *out, long batch, long steps, long tile,
           long threads) {{
  const long tiles = (batch + tile - 1) / tile;
  const long workers = threads < tiles ? threads : tiles;
  float *packed = floats({packed}), *sums = floats(workers * {sums});
  int failed = packed == NULL || sums == NULL;
  if (!failed) {{
{packing}
    for (long i = 0; i < workers * {sums}; i++) sums[i] = 0.0f;
    const struct call c = {{in, out, packed, sums, batch, steps, tile, tiles, workers,
                           {sums}, {scratch}, {name}_tile}};
    failed = run_all(&c);
{reduce}
  }}
  free(packed);
  free(sums);
  return failed;
}}
"""
