/* The blur of known pixels, and the planes of a picture, whose texture is a blur, too. inner.c says how this file is compiled. */

#include "rows.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLOURS = 3, AXES = 2, CHANNELS = COLOURS + AXES, LANES = 4 };

typedef struct gi_filter gi_filter;
struct gi_filter {
    const float *picture; /* [rows, columns, 3] */
    const uint8_t *known; /* [rows, columns], 1 = known; null: all pixels are known */
    int64_t rows, columns;
    int64_t start;       /* first row to blur */
    const float *kernel; /* [2 radius + 1] */
    int64_t radius;
    void (*read)(const gi_filter *filter, int64_t y, float *row);        /* writes the numbers of a row to blur, [columns, 4] */
    void (*write)(const gi_filter *filter, int64_t y, const float *sum); /* gets their weighted sums */
    float *blurred;  /* [rows, columns, 3] */
    int16_t *planes; /* [rows, columns, 5] */
    float gain;      /* weight of the texture relative to the colours */
};

/* Adds `taps` runs of numbers, each `step` after the previous one, multiplied by the kernel; one after the other, four at a time. */
static void gi_add_runs(float *restrict sum, const float *restrict run, int64_t step, const float *restrict kernel, int64_t taps, int64_t count)
{
    int64_t k = 0;
    for (; k + 4 <= taps; k += 4, run += 4 * step)
        for (int64_t i = 0; i < count; i++)
            sum[i] = sum[i] + kernel[k] * run[i] + kernel[k + 1] * run[i + step] + kernel[k + 2] * run[i + 2 * step]
                     + kernel[k + 3] * run[i + 3 * step];
    for (; k < taps; k++, run += step)
        for (int64_t i = 0; i < count; i++)
            sum[i] += kernel[k] * run[i];
}

/* Blurs first along the rows, also the `radius` rows above and below, then along the columns. */
static int gi_blur_rows(const void *given, int64_t first, int64_t last)
{
    const gi_filter *filter = given;
    const int64_t radius = filter->radius, count = filter->columns * LANES;
    first += filter->start, last += filter->start;
    const int64_t from = first > radius ? first - radius : 0, to = last + radius < filter->rows ? last + radius : filter->rows;
    float *wide = calloc((size_t)(count + 2 * radius * LANES), sizeof(float));
    float *lines = calloc((size_t)((to - from) * count), sizeof(float)), *sum = malloc((size_t)count * sizeof(float));
    if (!wide || !lines || !sum) {
        free(wide), free(lines), free(sum);
        return 1;
    }
    for (int64_t y = from; y < to; y++) {
        filter->read(filter, y, wide + radius * LANES); /* the ends stay empty */
        gi_add_runs(lines + (y - from) * count, wide, LANES, filter->kernel, 2 * radius + 1, count);
    }
    for (int64_t y = first; y < last; y++) {
        const int64_t top = y - radius > from ? y - radius : from, bottom = y + radius + 1 < to ? y + radius + 1 : to;
        memset(sum, 0, (size_t)count * sizeof(float));
        gi_add_runs(sum, lines + (top - from) * count, count, filter->kernel + (top - y + radius), bottom - top, count);
        filter->write(filter, y, sum);
    }
    free(wide), free(lines), free(sum);
    return 0;
}

static inline float gi_mean(const float *sum, const float *weight) { return *sum / (*weight > 1e-3f ? *weight : 1e-3f); }

/* Copies a row, with 0 at unknown pixels, and one more number: 1 = known. */
static void gi_read_known(const gi_filter *filter, int64_t y, float *row)
{
    for (int64_t x = 0; x < filter->columns; x++, row += LANES) {
        const int64_t here = y * filter->columns + x;
        const int counts = !filter->known || filter->known[here];
        for (int channel = 0; channel < COLOURS; channel++)
            row[channel] = counts ? filter->picture[here * COLOURS + channel] : 0.0f;
        row[COLOURS] = (float)counts;
    }
}

static void gi_write_means(const gi_filter *filter, int64_t y, const float *sum)
{
    for (int64_t x = 0; x < filter->columns; x++, sum += LANES)
        for (int channel = 0; channel < COLOURS; channel++)
            filter->blurred[(y * filter->columns + x) * COLOURS + channel] = gi_mean(sum + channel, sum + COLOURS);
}

/* Blurs the known pixels by a separable kernel, and writes the rows from `start` to `end`; pixels outside the picture count as unknown. */
GI_EXPORT int gi_blur(const float *picture, const uint8_t *known, int64_t rows, int64_t columns, int64_t start, int64_t end,
                      const float *kernel, int64_t radius, float *blurred, int threads)
{
    const gi_filter filter = {picture, known, rows, columns, start, kernel, radius, gi_read_known, gi_write_means, blurred, 0, 0};
    return gi_share_rows(gi_blur_rows, &filter, end - start, columns, 32 + 2 * radius, 4096, threads);
}

static inline float gi_grey(const float *colour) { return 0.299f * colour[0] + 0.587f * colour[1] + 0.114f * colour[2]; }

/* Writes the absolute difference of a pixel's grey and the previous one's along x and along y, each with its weight: 1 = both are known. */
static void gi_read_gradients(const gi_filter *filter, int64_t y, float *row)
{
    float left = 0.0f;
    for (int64_t x = 0; x < filter->columns; x++, row += LANES) {
        const int64_t here = y * filter->columns + x, over = y > 0 ? here - filter->columns : here;
        const uint8_t *known = filter->known;
        const float grey = gi_grey(filter->picture + here * COLOURS), above = gi_grey(filter->picture + over * COLOURS);
        const int along = x > 0 && known[here] && known[here - 1], down = y > 0 && known[here] && known[over];
        row[0] = along ? fabsf(grey - left) : 0.0f;
        row[1] = (float)along;
        row[2] = down ? fabsf(grey - above) : 0.0f;
        row[3] = (float)down;
        left = grey;
    }
}

static inline int16_t gi_fixed(float value)
{
    value *= 1024.0f;
    return (int16_t)lrintf(value > -1024.0f ? (value < 2048.0f ? value : 2048.0f) : -1024.0f);
}

static void gi_write_planes(const gi_filter *filter, int64_t y, const float *sum)
{
    for (int64_t x = 0; x < filter->columns; x++, sum += LANES) {
        const int64_t here = y * filter->columns + x;
        int16_t *plane = filter->planes + here * CHANNELS;
        memset(plane, 0, CHANNELS * sizeof(int16_t));
        if (!filter->known[here])
            continue;
        for (int channel = 0; channel < COLOURS; channel++)
            plane[channel] = gi_fixed(filter->picture[here * COLOURS + channel]);
        for (int axis = 0; axis < AXES; axis++)
            plane[COLOURS + axis] = gi_fixed(filter->gain * gi_mean(sum + 2 * axis, sum + 2 * axis + 1));
    }
}

/* Writes the colours of the known pixels, and the blurred gradients along x and along y times `gain`, in fixed point: the rows from `start`
   to `end`. */
GI_EXPORT int gi_planes(const float *picture, const uint8_t *known, int64_t rows, int64_t columns, int64_t start, int64_t end,
                        const float *kernel, int64_t radius, float gain, int16_t *planes, int threads)
{
    const gi_filter filter = {picture, known, rows, columns, start, kernel, radius, gi_read_gradients, gi_write_planes, 0, planes, gain};
    return gi_share_rows(gi_blur_rows, &filter, end - start, columns, 32 + 2 * radius, 4096, threads);
}
