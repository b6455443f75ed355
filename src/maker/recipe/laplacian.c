/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second-order Laplacian on a regular grid of spacing h: 5 points in two dimensions, 7 in three.
 *
 *   (Δu)_i = (Σ over the 2·dim neighbours of u_neighbour  -  2·dim · u_i) / h²
 *
 * A neighbour beyond the edge is: periodic, the point at the other edge; neumann (no flux), the point itself, u_(-1) = u_0;
 * dirichlet, 0.
 *
 * form stencil: an archive of `stencil`, the coefficients as an array of 3×3 or 3×3×3, and `mode`, how scipy.ndimage continues
 * a field for this boundary (wrap, reflect, constant), so that ndimage.convolve(u, stencil, mode=mode) is Δu.
 * form matrix: a sparse matrix of n = NX·NY[·NZ] rows as scipy.sparse.save_npz lays one out (csr: data, indices, indptr, shape,
 * format), indices ascending in each row, coefficients of one place added up, so that matrix @ u.ravel() is (Δu).ravel().
 */
#include "base/fail.h"
#include "maker/made_arrays.h"
#include "recipes.h"

enum { DIM, SPACING, BOUNDARY, FORM, N };
enum { PERIODIC, NEUMANN, DIRICHLET };
enum { STENCIL, MATRIX };

static const larder_recipe_param params[] = {
    [DIM] = {.name = "dim", .type = LARDER_RECIPE_WHOLE, .min = 2, .max = 3, .sentence = "Dimensions: 2 or 3."},
    [SPACING] = {.name = "spacing",
                 .type = LARDER_RECIPE_REAL,
                 .fallback = "1",
                 .min = 1e-150,
                 .max = 1e150,
                 .sentence = "Distance h of the grid's points."},
    [BOUNDARY] = {.name = "boundary",
                  .type = LARDER_RECIPE_CHOICE,
                  .fallback = "periodic",
                  .choices = "periodic neumann dirichlet",
                  .sentence = "What lies beyond the edge."},
    [FORM] = {.name = "form",
              .type = LARDER_RECIPE_CHOICE,
              .fallback = "stencil",
              .choices = "stencil matrix",
              .sentence = "The coefficients as a small array, or the operator as a sparse matrix."},
    [N] = {.name = "n",
           .type = LARDER_RECIPE_SIZES,
           .fallback = "",
           .min = 1,
           .max = 1e6,
           .sentence = "Points along each axis, for the matrix only; a single number holds for every axis."},
};

/* A matrix under construction: rows are added from the first to the last. */
typedef struct matrix {
  double *data;
  int32_t *indices;
  int32_t *indptr;
  int32_t len; /* entries so far */
} matrix;

static larder_err laplacian_check(const lrd_params *given, larder_error *err) {
  const lrd_param_value *n = &given->at[N];
  bool wants = given->at[FORM].whole == MATRIX;
  if (wants && n->axes == 0)
    return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "laplacian: form matrix needs n, the points along each axis: n=64x64");
  if (!wants && n->axes > 0)
    return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "laplacian: n is of form matrix only; a stencil has no size");
  if (wants && n->axes != 1 && n->axes != given->at[DIM].whole)
    return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "laplacian: n has %u axes, but dim is %u; give both the same", n->axes,
                    (unsigned)given->at[DIM].whole);
  return LARDER_OK;
}

/* Adds a coefficient to the row under way, which begins at `begin`, keeping columns ascending. */
static void row_add(matrix *m, int32_t begin, int32_t column, double value) {
  int32_t at = m->len;
  while (at > begin && m->indices[at - 1] > column) at--;
  if (at > begin && m->indices[at - 1] == column) {
    m->data[at - 1] += value;
    return;
  }
  for (int32_t i = m->len; i > at; i--) {
    m->indices[i] = m->indices[i - 1];
    m->data[i] = m->data[i - 1];
  }
  m->indices[at] = column;
  m->data[at] = value;
  m->len++;
}

static larder_err matrix_fill(matrix *m, const int64_t *size, unsigned dim, uint64_t boundary, double weight,
                              const lrd_patience *patience) {
  int64_t rows = size[0] * size[1] * size[2];
  int64_t stride[3] = {size[1] * size[2], size[2], 1};
  for (int64_t row = 0; row < rows; row++) {
    larder_err const asked = lrd_patience_look_at(patience, (uint64_t)row);
    if (asked != LARDER_OK) return asked;
    int64_t at[3] = {row / stride[0], row / stride[1] % size[1], row % size[2]};
    int32_t begin = m->len;
    m->indptr[row] = begin;
    row_add(m, begin, (int32_t)row, -2.0 * dim * weight);
    for (unsigned axis = 0; axis < dim; axis++) {
      for (int step = -1; step <= 1; step += 2) {
        int64_t there = at[axis] + step;
        if (there < 0 || there >= size[axis]) {
          if (boundary == DIRICHLET) continue;
          there = boundary == NEUMANN ? at[axis] : there < 0 ? size[axis] - 1 : 0;
        }
        row_add(m, begin, (int32_t)(row + (there - at[axis]) * stride[axis]), weight);
      }
    }
  }
  m->indptr[rows] = m->len;
  return LARDER_OK;
}

static larder_err matrix_make(const lrd_params *given, double weight, const lrd_patience *patience, lrd_made_set *made) {
  const lrd_param_value *n = &given->at[N];
  unsigned dim = (unsigned)given->at[DIM].whole;
  int64_t size[3] = {1, 1, 1};
  uint64_t rows = 1;
  matrix m = {0};
  for (unsigned i = 0; i < dim; i++) {
    size[i] = (int64_t)n->sizes[n->axes == 1 ? 0 : i];
    rows *= (uint64_t)size[i]; /* at most 10^18 */
    if (rows > INT32_MAX / (2 * dim + 1)) return LARDER_ETOOBIG;
  }
  uint64_t entries = rows * (2 * dim + 1);
  void *shape = NULL;
  void *format = NULL;
  void *data = NULL;
  void *indices = NULL;
  void *indptr = NULL;
  uint64_t two = 2;
  uint64_t pointers = rows + 1;
  larder_err result = lrd_made_set_add(made, "indices", LRD_MADE_I4, sizeof(int32_t), 1, &entries, &indices);
  if (result == LARDER_OK) result = lrd_made_set_add(made, "indptr", LRD_MADE_I4, sizeof(int32_t), 1, &pointers, &indptr);
  if (result == LARDER_OK) result = lrd_made_set_add(made, "format", "|S3", 3, 0, NULL, &format);
  if (result == LARDER_OK) result = lrd_made_set_add(made, "shape", LRD_MADE_I8, sizeof(int64_t), 1, &two, &shape);
  if (result == LARDER_OK) result = lrd_made_set_add(made, "data", LRD_MADE_F8, sizeof(double), 1, &entries, &data);
  if (result != LARDER_OK) return result;
  m = (matrix){.data = data, .indices = indices, .indptr = indptr};
  result = matrix_fill(&m, size, dim, given->at[BOUNDARY].whole, weight, patience);
  if (result != LARDER_OK) return result;
  ((int64_t *)shape)[0] = ((int64_t *)shape)[1] = (int64_t)rows;
  memcpy(format, "csr", 3);
  lrd_made_set_shorten(made, 0, (uint64_t)m.len);
  lrd_made_set_shorten(made, 4, (uint64_t)m.len);
  return LARDER_OK;
}

static larder_err stencil_make(const lrd_params *given, double weight, lrd_made_set *made) {
  static const char *const modes[] = {"wrap", "reflect", "constant"};
  static const char *const types[] = {"<U4", "<U7", "<U8"};
  unsigned dim = (unsigned)given->at[DIM].whole;
  uint64_t shape[3] = {3, 3, 3};
  const char *mode = modes[given->at[BOUNDARY].whole];
  void *data = NULL;
  void *text = NULL;
  larder_err result = lrd_made_set_add(made, "stencil", LRD_MADE_F8, sizeof(double), dim, shape, &data);
  if (result == LARDER_OK)
    result = lrd_made_set_add(made, "mode", types[given->at[BOUNDARY].whole], 4 * strlen(mode), 0, NULL, &text);
  if (result != LARDER_OK) return result;
  double *stencil = data;
  size_t middle = dim == 2 ? 4 : 13;
  for (size_t axis = 0, stride = 1; axis < dim; axis++, stride *= 3)
    stencil[middle - stride] = stencil[middle + stride] = weight;
  stencil[middle] = -2.0 * dim * weight;
  for (size_t i = 0; mode[i] != '\0'; i++) ((uint8_t *)text)[4 * i] = (uint8_t)mode[i]; /* UCS-4, as numpy's strings are */
  return LARDER_OK;
}

/* Entries of all rows beside the diagonal, along an axis: each point has two neighbours, but at the edge. */
static uint64_t neighbours(uint64_t size, bool periodic) {
  if (size < 3) return size == 2 ? 2 : 0;
  return periodic ? 2 * size : 2 * (size - 1);
}

static uint64_t laplacian_bytes(const lrd_params *given) {
  const lrd_param_value *n = &given->at[N];
  unsigned const dim = (unsigned)given->at[DIM].whole;
  uint64_t size[3] = {1, 1, 1}, rows, entries;
  if (given->at[FORM].whole != MATRIX) return 0;
  for (unsigned i = 0; i < dim; i++) size[i] = n->sizes[n->axes == 1 ? 0 : i];
  rows = entries = lrd_made_bytes(1, 3, size); /* at most 10^18 */
  if (rows > INT32_MAX) return UINT64_MAX;
  for (unsigned i = 0; i < dim; i++) entries += rows / size[i] * neighbours(size[i], given->at[BOUNDARY].whole == PERIODIC);
  return entries * (sizeof(double) + sizeof(int32_t)) + rows * sizeof(int32_t);
}

static larder_err laplacian_make(const lrd_params *given, const lrd_patience *patience, lrd_buf *out, lrd_buf *version_out,
                                 lrd_buf *meta_out, larder_error *err) {
  lrd_made_set made = {0};
  double h = given->at[SPACING].real;
  double weight = 1 / (h * h);
  (void)version_out;
  (void)meta_out;
  larder_err result =
      given->at[FORM].whole == MATRIX ? matrix_make(given, weight, patience, &made) : stencil_make(given, weight, &made);
  if (result == LARDER_OK) result = lrd_made_set_write(&made, out, err);
  lrd_made_set_fini(&made);
  return result;
}

const lrd_maker lrd_recipe_laplacian = {
    .shown = {.name = "laplacian",
              .sentence = "The Laplacian on a regular grid, 5 points in two dimensions and 7 in three.",
              .formula =
                  "(Δu)_i = (sum of the 2·dim neighbours - 2·dim · u_i) / spacing². Beyond the edge lies the point at the "
                  "other edge (`periodic`), the edge's own point, u_(-1) = u_0 (`neumann`), or 0 (`dirichlet`). "
                  "`form` `stencil` is an archive of `stencil`, the coefficients as 3×3 or 3×3×3, and `mode`, so that "
                  "`scipy.ndimage.convolve(u, stencil, mode=str(mode))` is Δu. `form` `matrix` is what "
                  "`scipy.sparse.load_npz` reads: `matrix @ u.ravel()` is Δu.",
              .kind = LARDER_KIND_ARRAY,
              .params = params,
              .params_count = sizeof params / sizeof params[0]},
    .check = laplacian_check,
    .bytes = laplacian_bytes,
    .make = laplacian_make};
