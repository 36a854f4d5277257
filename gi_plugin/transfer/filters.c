/* Filters of whole pictures: reduction by two, distance transform. inner.c says how this file is compiled. */

#include "rows.h"
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 5 };

typedef struct {
    const int16_t *planes; /* [rows, columns, 5] */
    const uint16_t *count;
    int64_t rows, columns;
    int16_t *half; /* [(rows + 1) / 2, (columns + 1) / 2, 5] */
    uint16_t *half_count;
} gi_halve_task;

static inline void gi_halve_pixel(const gi_halve_task *task, int64_t y, int64_t x)
{
    const int64_t here = y * ((task->columns + 1) / 2) + x, right = 2 * x + 1 < task->columns ? 2 : 1, down = 2 * y + 1 < task->rows ? 2 : 1;
    uint32_t sum[CHANNELS] = {0}, total = 0;
    for (int64_t dy = 0; dy < down; dy++)
        for (int64_t dx = 0; dx < right; dx++) {
            const int64_t there = (2 * y + dy) * task->columns + 2 * x + dx;
            const uint32_t count = task->count[there];
            for (int channel = 0; channel < CHANNELS; channel++)
                sum[channel] += (uint32_t)(task->planes[there * CHANNELS + channel] + 4096) * count;
            total += count;
        }
    task->half_count[here] = (uint16_t)total;
    for (int channel = 0; channel < CHANNELS; channel++)
        task->half[here * CHANNELS + channel] = (int16_t)(total ? (int32_t)((sum[channel] + total / 2) / total) - 4096 : 0);
}

static int gi_halve_rows(const void *task, int64_t first, int64_t last)
{
    for (int64_t y = first; y < last; y++)
        for (int64_t x = 0; x < (((const gi_halve_task *)task)->columns + 1) / 2; x++)
            gi_halve_pixel(task, y, x);
    return 0;
}

/* Reduces by two, rounding the size up. `half` is the rounded mean of 2 x 2 pixels, weighted by `count`, the number of known full-size
   pixels in each; `half_count` is the sum of the counts. */
GI_EXPORT int gi_halve(const int16_t *planes, const uint16_t *count, int64_t rows, int64_t columns, int16_t *half, uint16_t *half_count,
                       int threads)
{
    const gi_halve_task task = {planes, count, rows, columns, half, half_count};
    return gi_share_rows(gi_halve_rows, &task, (rows + 1) / 2, columns, 16, 8192, threads);
}

typedef struct {
    int64_t columns;
    int32_t *squared; /* [rows, columns]: distance along the column on entry, squared distance on return */
} gi_distance_task;

/* Finds the lower envelope of the parabolas (x - centre)^2 + height^2 of one row. From column `edge[k]` on, parabola `centre[k]` is lowest. */
static void gi_envelope(const int32_t *height, int64_t columns, int64_t *centre, int64_t *edge)
{
    int64_t last = 0;
    centre[0] = edge[0] = 0;
    for (int64_t x = 1; x < columns; x++) {
        int64_t start;
        for (;; last--) {
            const int64_t other = centre[last], rise = (int64_t)height[x] * height[x] + x * x - (int64_t)height[other] * height[other] - other * other;
            start = rise < 0 ? 0 : rise / (2 * (x - other)) + 1;
            if (last == 0 || start > edge[last])
                break;
        }
        if (last == 0 && start <= 0)
            last--;
        if (start < columns) {
            centre[++last] = x;
            edge[last] = start > 0 ? start : 0;
        }
    }
    edge[last + 1] = columns;
}

static int gi_distance_rows(const void *given, int64_t first, int64_t last)
{
    const gi_distance_task *task = given;
    int64_t *centre = malloc((size_t)(2 * task->columns + 2) * sizeof(int64_t));
    int32_t *height = malloc((size_t)task->columns * sizeof(int32_t));
    if (!centre || !height) {
        free(centre), free(height);
        return 1;
    }
    for (int64_t y = first; y < last; y++) {
        int32_t *row = task->squared + y * task->columns;
        int64_t *edge = centre + task->columns, k = 0;
        memcpy(height, row, (size_t)task->columns * sizeof(int32_t));
        gi_envelope(height, task->columns, centre, edge);
        for (int64_t x = 0; x < task->columns; x++) {
            while (x >= edge[k + 1])
                k++;
            row[x] = (int32_t)((x - centre[k]) * (x - centre[k])) + height[centre[k]] * height[centre[k]];
        }
    }
    free(centre), free(height);
    return 0;
}

/* Computes the exact squared Euclidean distance to the nearest pixel where `inside` is 0. `furthest` is the distance along a column that has
   no such pixel. */
GI_EXPORT int gi_distance(const uint8_t *inside, int64_t rows, int64_t columns, int32_t furthest, int32_t *squared, int threads)
{
    for (int64_t y = 0; y < rows; y++)
        for (int64_t x = 0; x < columns; x++) {
            const int32_t above = y ? squared[(y - 1) * columns + x] : furthest;
            squared[y * columns + x] = inside[y * columns + x] ? (above < furthest ? above + 1 : furthest) : 0;
        }
    for (int64_t y = rows - 2; y >= 0; y--)
        for (int64_t x = 0; x < columns; x++) {
            const int32_t below = squared[(y + 1) * columns + x] + 1;
            squared[y * columns + x] = squared[y * columns + x] < below ? squared[y * columns + x] : below;
        }
    const gi_distance_task task = {columns, squared};
    return gi_share_rows(gi_distance_rows, &task, rows, columns, 16, 8192, threads);
}
