/* The votes of overlapping patches, and the patch of the largest weight. inner.c describes the layout of pictures and the compilation. */

#include "rows.h"
#include <string.h>

enum { REACH = 2, SIDE = 5, CHANNELS = 5, SWAPPED = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ };

typedef struct {
    const int16_t *planes; /* [rows, columns, 5] sources */
    int64_t columns;
    int64_t last; /* number of the last pixel of the sources */
    const int32_t *field; /* [height, width, 2] */
    const float *weight;  /* [height, width] of each target's patch; 0 where there is no target */
    const float *window;  /* [5, 5] weight of each pixel within a patch; used by gi_heaviest */
    const uint8_t *where; /* [height, width], 1 = compute this pixel */
    int64_t width;
    int16_t *votes; /* [height, width, 5] */
    int32_t *pixel; /* [height, width, 2] */
} gi_ballot;

typedef int32_t gi_integers __attribute__((vector_size(16)));
typedef float gi_floats __attribute__((vector_size(16)));

/* Writes the rounded weighted mean of all patches that cover the pixel; nothing if there is none. A pixel is read as four integers of two
   channels each, the last three of them the next pixel's: this needs half of the instructions. */
static inline void gi_vote_pixel(const gi_ballot *ballot, int64_t here)
{
    gi_floats even = {0}, odd = {0}; /* sums of channels 0, 2, 4 and of channels 1, 3; swapped where the first byte is the highest */
    float total = 0.0f;
    for (int dy = -REACH; dy <= REACH; dy++)
        for (int dx = -REACH; dx <= REACH; dx++) {
            const int64_t there = here - dy * ballot->width - dx;
            const float weight = ballot->weight[there];
            if (weight <= 0.0f)
                continue;
            const int64_t row = ballot->field[there * 2] + dy, column = ballot->field[there * 2 + 1] + dx;
            const int64_t source = row * ballot->columns + column;
            gi_integers pairs = {0};
            if (source < ballot->last)
                memcpy(&pairs, ballot->planes + source * CHANNELS, sizeof pairs);
            else
                memcpy(&pairs, ballot->planes + source * CHANNELS, CHANNELS * sizeof(int16_t));
            even += weight * __builtin_convertvector((pairs << 16) >> 16, gi_floats);
            odd += weight * __builtin_convertvector(pairs >> 16, gi_floats);
            total += weight;
        }
    if (total > 0.0f)
        for (int channel = 0; channel < CHANNELS; channel++) {
            const float sum = (channel % 2 == SWAPPED ? even : odd)[channel / 2];
            ballot->votes[here * CHANNELS + channel] = (int16_t)((int32_t)(sum / total + 4096.5f) - 4096);
        }
}

/* Writes row and column of the source pixel, taken from the covering patch of the largest weight. */
static inline void gi_heaviest_pixel(const gi_ballot *ballot, int64_t here)
{
    float most = 0.0f;
    for (int dy = -REACH; dy <= REACH; dy++)
        for (int dx = -REACH; dx <= REACH; dx++) {
            const int64_t there = here - dy * ballot->width - dx;
            const float weight = ballot->weight[there] * ballot->window[(dy + REACH) * SIDE + dx + REACH];
            if (weight <= most)
                continue;
            most = weight;
            ballot->pixel[here * 2] = ballot->field[there * 2] + dy;
            ballot->pixel[here * 2 + 1] = ballot->field[there * 2 + 1] + dx;
        }
}

static int gi_vote_rows(const void *task, int64_t first, int64_t last)
{
    const gi_ballot *ballot = task;
    for (int64_t y = first + REACH; y < last + REACH; y++)
        for (int64_t x = REACH; x < ballot->width - REACH; x++)
            if (ballot->where[y * ballot->width + x])
                ballot->pixel ? gi_heaviest_pixel(ballot, y * ballot->width + x) : gi_vote_pixel(ballot, y * ballot->width + x);
    return 0;
}

/* Writes the votes for the pixels of `where`, which must lie at least two pixels from the edge. Pixels without a patch keep their value. */
GI_EXPORT int gi_vote(const int16_t *planes, int64_t rows, int64_t columns, const int32_t *field, const float *weight, const uint8_t *where, int64_t height,
                      int64_t width, int16_t *votes, int threads)
{
    const gi_ballot ballot = {planes, columns, rows * columns - 1, field, weight, 0, where, width, votes, 0};
    return gi_share_rows(gi_vote_rows, &ballot, height - 2 * REACH, width, 8, 4096, threads);
}

/* Writes the source pixel of each pixel of `where`. Pixels without a patch keep their value in `pixel`. */
GI_EXPORT int gi_heaviest(const int32_t *field, const float *weight, const float *window, const uint8_t *where, int64_t height, int64_t width,
                          int32_t *pixel, int threads)
{
    const gi_ballot ballot = {0, 0, 0, field, weight, window, where, width, 0, pixel};
    return gi_share_rows(gi_vote_rows, &ballot, height - 2 * REACH, width, 8, 4096, threads);
}
