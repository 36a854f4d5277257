/* A stand-in until the transfer's own code comes: names shared by its two C files. */
#ifndef GI_ROWS_H
#define GI_ROWS_H
#include <stdint.h>
#ifdef _WIN32
#include <windows.h>
#define GI_EXPORT __declspec(dllexport)
#else
#include <pthread.h>
#define GI_EXPORT __attribute__((visibility("default")))
#endif

GI_EXPORT int gi_transfer_level(void);

typedef struct {
    const float *values; /* rows, width */
    float *sums;         /* rows */
    int64_t width, first, end;
} gi_part;
typedef void gi_row_work(gi_part *part);

gi_row_work gi_square_rows_base, gi_square_rows_v3, gi_square_rows_v4;
#endif
