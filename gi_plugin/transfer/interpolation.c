/* Smooth interpolation by push-pull: reduce by means of known values, then enlarge again. inner.c says how this file is compiled. */

#include "rows.h"
#include <stdlib.h>
#include <string.h>

enum { COLOURS = 3 };

typedef struct {
    const float *values;  /* [rows, columns, channels] */
    const uint8_t *known; /* [rows, columns], 1 = known */
    int64_t rows, columns, channels;
    float *half;          /* [(rows + 1) / 2, (columns + 1) / 2, channels] */
    uint8_t *half_known;
    const float *coarse; /* of the size of `half` */
    float *filled;       /* [rows, columns, channels] */
} gi_interpolation;

static inline void gi_mean_of_four(const gi_interpolation *task, int64_t y, int64_t x)
{
    const int64_t half = y * ((task->columns + 1) / 2) + x, channels = task->channels;
    float count = 0.0f, *mean = task->half + half * channels;
    for (int64_t channel = 0; channel < channels; channel++)
        mean[channel] = 0.0f;
    for (int64_t v = 2 * y; v < 2 * y + 2 && v < task->rows; v++)
        for (int64_t u = 2 * x; u < 2 * x + 2 && u < task->columns; u++) {
            if (!task->known[v * task->columns + u])
                continue;
            for (int64_t channel = 0; channel < channels; channel++)
                mean[channel] += task->values[(v * task->columns + u) * channels + channel];
            count += 1.0f;
        }
    for (int64_t channel = 0; channel < channels && count > 0.0f; channel++)
        mean[channel] /= count;
    task->half_known[half] = count > 0.0f;
}

static int gi_mean_rows(const void *given, int64_t first, int64_t last)
{
    const gi_interpolation *task = given;
    for (int64_t y = first; y < last; y++)
        for (int64_t x = 0; x < (task->columns + 1) / 2; x++)
            gi_mean_of_four(task, y, x);
    return 0;
}

/* The pixel of half the size that is next to the nearest one, on the side of `place`; the nearest one itself at the end of a line. */
static inline int64_t gi_next(int64_t place, int64_t length)
{
    const int64_t next = place / 2 + (place % 2 ? 1 : -1);
    return next < 0 ? 0 : next < (length + 1) / 2 ? next : (length + 1) / 2 - 1;
}

static inline float gi_blend(float nearest, float next) { return 0.75f * nearest + 0.25f * next; }

/* Writes a row from a row of half the size. */
static inline void gi_fill_row(const gi_interpolation *task, int64_t y, const float *line, int64_t channels)
{
    for (int64_t x = 0; x < task->columns; x++) {
        const int64_t here = y * task->columns + x;
        const float *value = task->values + here * channels, *nearest = line + x / 2 * channels, *next = line + gi_next(x, task->columns) * channels;
        for (int64_t channel = 0; channel < channels; channel++)
            task->filled[here * channels + channel] = task->known[here] ? value[channel] : gi_blend(nearest[channel], next[channel]);
    }
}

static int gi_fill_rows(const void *given, int64_t first, int64_t last)
{
    const gi_interpolation *task = given;
    const int64_t count = (task->columns + 1) / 2 * task->channels;
    float *line = malloc((size_t)count * sizeof(float));
    if (!line)
        return 1;
    for (int64_t y = first; y < last; y++) {
        const float *nearest = task->coarse + y / 2 * count, *next = task->coarse + gi_next(y, task->rows) * count;
        for (int64_t i = 0; i < count; i++)
            line[i] = gi_blend(nearest[i], next[i]);
        if (task->channels == COLOURS)
            gi_fill_row(task, y, line, COLOURS); /* twice as fast if the compiler knows the number */
        else
            gi_fill_row(task, y, line, task->channels);
    }
    free(line);
    return 0;
}

/* Keeps the known values and interpolates the others, from half the size to the full one; 0 if nothing is known. */
GI_EXPORT int gi_smooth_fill(const float *values, const uint8_t *known, int64_t rows, int64_t columns, int64_t channels, float *filled, int threads)
{
    const int64_t count = rows * columns, half = (rows + 1) / 2 * ((columns + 1) / 2);
    if (!memchr(known, 0, (size_t)count) || count == 1) {
        for (int64_t i = 0; i < count * channels; i++)
            filled[i] = known[i / channels] ? values[i] : 0.0f;
        return 0;
    }
    float *means = malloc((size_t)(2 * half * channels) * sizeof(float)); /* the means, and their fill */
    uint8_t *some = malloc((size_t)half);
    int failed = !means || !some;
    if (!failed) {
        float *coarse = means + half * channels;
        const gi_interpolation task = {values, known, rows, columns, channels, means, some, coarse, filled};
        failed |= gi_share_rows(gi_mean_rows, &task, (rows + 1) / 2, columns, 16, 8192, threads);
        failed |= gi_smooth_fill(means, some, (rows + 1) / 2, (columns + 1) / 2, channels, coarse, threads);
        failed |= gi_share_rows(gi_fill_rows, &task, rows, columns, 16, 8192, threads);
    }
    free(means), free(some);
    return failed;
}
