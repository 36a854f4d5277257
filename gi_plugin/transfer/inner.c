/* The inner loops of the detail transfer: cost and search of source patches. numpy_kernels.py has the same formulas.

   Linux:   cc -std=gnu11 -O3 -ffp-contract=off -fno-math-errno -fPIC -shared -fvisibility=hidden inner.c votes.c blur.c filters.c interpolation.c -o _inner.so -lpthread
   macOS:   zig cc -target aarch64-macos  (or x86_64-macos) … -o _inner.dylib
   Windows: zig cc -target x86_64-windows-gnu … -o _inner.dll
   The x86-64 baseline is enough: compiled for AVX2 or AVX-512, the search was not measurably faster.
   Do not use -ffast-math. With -ffp-contract=off all sums have the same order and rounding on every machine, and as in numpy.

   Pictures are int16 with five interleaved channels (three of colour, two of texture; 1024 means 1.0). A patch has 5 x 5 pixels, so its rows
   have 25 numbers; 32 are read, and the last seven have weight 0. The weighted squared difference of two patches is below 2^31. */

#include "rows.h"
#include <float.h>
#include <string.h>

enum { REACH = 2, SIDE = 5, CHANNELS = 5, ROW = SIDE * CHANNELS, LANES = 32, COLOURS = 3, NEIGHBOURS = 8 };

typedef struct { /* the picture from which patches may be taken */
    const int16_t *planes; /* [rows, columns, 5] */
    const uint8_t *valid;  /* [rows, columns], 1 = a patch may be taken with its centre here */
    const int16_t *low;    /* [rows, columns, 3] low frequencies of the colours; unused if pull is 0 */
    int64_t rows, columns;
    float pull;
} gi_sources;

typedef struct { /* the box around the hole with its current fill */
    const int16_t *planes; /* [height, width, 5] */
    const uint8_t *weight; /* [height, width]: 0 outside the picture, 1 missing, 2 known */
    const int16_t *goal;   /* [height, width, 3] low frequencies of the guide; unused if pull is 0 */
    int64_t height, width;
} gi_estimate;

typedef struct { /* the patch of one target, laid out so that a comparison is five loops of fixed length */
    int16_t patch[SIDE][LANES], weight[SIDE][LANES];
    const int16_t *goal;
    float share; /* factor that turns the weighted sum into a mean */
} gi_target;

typedef struct {
    int32_t row, column;
    float cost;
} gi_match;

/* Writes the weights of five pixels to all of their channels, and returns the sum of their squares. Most rows have equal weights. */
static inline int32_t gi_load_weights(int16_t *weight, const uint8_t *pixel)
{
    if (pixel[1] == pixel[0] && pixel[2] == pixel[0] && pixel[3] == pixel[0] && pixel[4] == pixel[0]) {
        for (int i = 0; i < ROW; i++)
            weight[i] = pixel[0];
        return SIDE * pixel[0] * pixel[0];
    }
    int32_t total = 0;
    for (int dx = 0; dx < SIDE; dx++) {
        for (int channel = 0; channel < CHANNELS; channel++)
            weight[dx * CHANNELS + channel] = pixel[dx];
        total += pixel[dx] * pixel[dx];
    }
    return total;
}

static inline void gi_load_target(gi_target *target, const gi_estimate *estimate, int64_t y, int64_t x)
{
    int32_t total = 0;
    memset(target, 0, sizeof *target);
    for (int dy = 0; dy < SIDE; dy++) {
        const int64_t corner = (y + dy - REACH) * estimate->width + x - REACH;
        memcpy(target->patch[dy], estimate->planes + corner * CHANNELS, ROW * sizeof(int16_t));
        total += gi_load_weights(target->weight[dy], estimate->weight + corner);
    }
    target->share = 1.0f / ((float)total * 1048576.0f);
    target->goal = estimate->goal + (y * estimate->width + x) * COLOURS;
}

static inline int32_t gi_row_difference(const int16_t *patch, const int16_t *source, const int16_t *weight, int count)
{
    int32_t sum = 0;
    for (int i = 0; i < count; i++) {
        const int16_t difference = (int16_t)((patch[i] - source[i]) * weight[i]);
        sum += (int32_t)difference * difference;
    }
    return sum;
}

/* Cost of a source: weighted mean squared difference of the patches, plus `pull` times the squared difference of the low frequencies.
   Returns FLT_MAX as soon as the cost cannot be below `limit`. */
static inline float gi_price(const gi_target *target, const gi_sources *sources, int32_t row, int32_t column, float limit)
{
    const int64_t centre = (int64_t)row * sources->columns + column;
    float wish = 0.0f;
    if (sources->pull > 0.0f) {
        int32_t sum = 0;
        for (int channel = 0; channel < COLOURS; channel++) {
            const int32_t difference = target->goal[channel] - sources->low[centre * COLOURS + channel];
            sum += difference * difference;
        }
        wish = (float)sum * sources->pull;
        if (wish >= limit)
            return FLT_MAX;
    }
    const int16_t *corner = sources->planes + (centre - REACH * sources->columns - REACH) * CHANNELS;
    const int64_t stride = sources->columns * CHANNELS;
    const int at_end = row + REACH + 1 == sources->rows && column + SIDE > sources->columns; /* do not read beyond the end of the array */
    int32_t sum = 0;
    for (int dy = 0; dy < SIDE; dy++) {
        sum += gi_row_difference(target->patch[dy], corner + dy * stride, target->weight[dy], LANES - (at_end && dy == SIDE - 1) * (LANES - ROW));
        if ((float)sum * target->share + wish >= limit)
            return FLT_MAX;
    }
    return (float)sum * target->share + wish;
}

static inline int gi_may_come_from(const gi_sources *sources, int64_t row, int64_t column)
{
    return row >= 0 && row < sources->rows && column >= 0 && column < sources->columns && sources->valid[row * sources->columns + column];
}

static inline void gi_try(gi_match *best, const gi_target *target, const gi_sources *sources, int32_t row, int32_t column)
{
    if ((row == best->row && column == best->column) || !gi_may_come_from(sources, row, column))
        return;
    const float cost = gi_price(target, sources, row, column, best->cost);
    if (cost < best->cost)
        *best = (gi_match){row, column, cost};
}

static inline uint32_t gi_scramble(uint32_t bits)
{
    bits = (bits ^ (bits >> 16)) * 0x7FEB352Du;
    bits = (bits ^ (bits >> 15)) * 0x846CA68Bu;
    return bits ^ (bits >> 16);
}

/* Draws an integer from -radius to radius, and advances the state. */
static inline int32_t gi_draw(uint32_t *state, int32_t radius)
{
    *state = gi_scramble(*state + 0x9E3779B9u);
    return (int32_t)(((uint64_t)*state * (uint32_t)(2 * radius + 1)) >> 32) - radius;
}

/* Tries the sources of the eight neighbours, shifted by the step to the neighbour; equal ones are tried once. */
static inline void gi_try_neighbours(gi_match *best, const gi_target *target, const gi_sources *sources, const int32_t *field, int64_t width)
{
    int32_t tried[NEIGHBOURS + 1][2] = {{best->row, best->column}};
    int count = 1;
    for (int k = 0; k < SIDE + 4; k++) {
        const int32_t dy = k / 3 - 1, dx = k % 3 - 1;
        const int32_t *neighbour = field + (dy * width + dx) * 2;
        const int32_t row = neighbour[0] - dy, column = neighbour[1] - dx;
        int known = neighbour[0] < 0;
        for (int i = 0; i < count && !known; i++)
            known = tried[i][0] == row && tried[i][1] == column;
        if (known)
            continue;
        tried[count][0] = row;
        tried[count++][1] = column;
        gi_try(best, target, sources, row, column);
    }
}

typedef struct {
    gi_sources sources;
    gi_estimate estimate;
    const int32_t *field; /* [height, width, 2] row and column of the current source; -1 where there is no target */
    int32_t *found;       /* the same after this round; null: only compute the costs of `field` */
    float *cost;          /* [height, width] */
    int32_t radius;
    uint32_t seed;
} gi_round;

static inline void gi_search_pixel(const gi_round *task, int64_t y, int64_t x)
{
    const int64_t here = y * task->estimate.width + x;
    const int32_t *now = task->field + here * 2;
    gi_match best = {now[0], now[1], 0.0f};
    if (now[0] >= 0) {
        gi_target target;
        gi_load_target(&target, &task->estimate, y, x);
        best.cost = gi_price(&target, &task->sources, now[0], now[1], FLT_MAX);
        if (task->found) {
            uint32_t state = gi_scramble(task->seed + (uint32_t)here);
            gi_try_neighbours(&best, &target, &task->sources, now, task->estimate.width);
            for (int32_t radius = task->radius; radius >= 1; radius /= 2) {
                const int32_t down = gi_draw(&state, radius), right = gi_draw(&state, radius);
                gi_try(&best, &target, &task->sources, best.row + down, best.column + right);
            }
        }
    }
    task->cost[here] = best.cost;
    if (task->found) {
        task->found[here * 2] = best.row;
        task->found[here * 2 + 1] = best.column;
    }
}

static int gi_search_rows(const void *task, int64_t first, int64_t last)
{
    const gi_round *round = task;
    for (int64_t y = first + REACH; y < last + REACH; y++)
        for (int64_t x = REACH; x < round->estimate.width - REACH; x++)
            gi_search_pixel(round, y, x);
    return 0;
}

GI_EXPORT int gi_transfer_version(void) { return 2; }

/* Runs one round of search for all targets, from the state in `field`. The outer two rows and columns of the box hold no target. */
GI_EXPORT int gi_search(const int16_t *planes, const uint8_t *valid, const int16_t *low, int64_t rows, int64_t columns, float pull,
                        const int16_t *estimate, const uint8_t *weight, const int16_t *goal, int64_t height, int64_t width,
                        const int32_t *field, int32_t *found, float *cost, int32_t radius, uint32_t seed, int threads)
{
    const gi_round round = {{planes, valid, low, rows, columns, pull}, {estimate, weight, goal, height, width}, field, found, cost, radius, seed};
    return gi_share_rows(gi_search_rows, &round, height - 2 * REACH, width, 4, 1024, threads);
}
