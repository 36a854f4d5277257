/* A stand-in: the hot loop, compiled once per instruction set. */
#include "rows.h"

#define GI_JOIN2(name, suffix) name##suffix
#define GI_JOIN(name, suffix) GI_JOIN2(name, suffix)

/* The sum of the squares of each row. */
void GI_JOIN(gi_square_rows, GI_SUFFIX)(gi_part *part) {
    for (int64_t row = part->first; row < part->end; row++) {
        const float *value = part->values + row * part->width;
        float lanes[16] = {0};
        int64_t x = 0;
        for (; x + 16 <= part->width; x += 16)
            for (int lane = 0; lane < 16; lane++) lanes[lane] += value[x + lane] * value[x + lane];
        for (; x < part->width; x++) lanes[0] += value[x] * value[x];
        float sum = 0;
        for (int lane = 0; lane < 16; lane++) sum += lanes[lane];
        part->sums[row] = sum;
    }
}
