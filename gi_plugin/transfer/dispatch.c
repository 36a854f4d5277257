/* A stand-in: chooses the instruction set when the library runs, and shares rows among threads. */
#include "rows.h"
#define GI_MOST_THREADS 64

static gi_row_work *chosen(int most) {
#if defined(__x86_64__)
    int have = gi_transfer_level();
    if (have > most) have = most;
    if (have >= 3) return have >= 4 ? gi_square_rows_v4 : gi_square_rows_v3;
#else
    (void)most;
#endif
    return gi_square_rows_base;
}

typedef struct {
    gi_row_work *work;
    gi_part part;
} gi_task;

#ifdef _WIN32
typedef HANDLE gi_thread;
static DWORD WINAPI run(LPVOID task) { ((gi_task *)task)->work(&((gi_task *)task)->part); return 0; }
static int start(gi_thread *thread, gi_task *task) { return (*thread = CreateThread(NULL, 0, run, task, 0, NULL)) != NULL; }
static void wait_for(gi_thread thread) { WaitForSingleObject(thread, INFINITE); CloseHandle(thread); }
#else
typedef pthread_t gi_thread;
static void *run(void *task) { ((gi_task *)task)->work(&((gi_task *)task)->part); return NULL; }
static int start(gi_thread *thread, gi_task *task) { return pthread_create(thread, NULL, run, task) == 0; }
static void wait_for(gi_thread thread) { pthread_join(thread, NULL); }
#endif

GI_EXPORT int gi_transfer_version(void) { return 1; }

/* The sum of the squares of each row, by threads, with no instructions above the level `most` (1, 3 or 4). */
GI_EXPORT void gi_transfer_square_rows(const float *values, float *sums, int64_t rows, int64_t width, int threads, int most) {
    gi_thread handles[GI_MOST_THREADS];
    gi_task tasks[GI_MOST_THREADS];
    int started[GI_MOST_THREADS];
    if (threads > GI_MOST_THREADS) threads = GI_MOST_THREADS;
    if (threads < 1) threads = 1;
    for (int i = 0; i < threads; i++) {
        tasks[i] = (gi_task){chosen(most), {values, sums, width, rows * i / threads, rows * (i + 1) / threads}};
        started[i] = i > 0 && start(&handles[i], &tasks[i]);
    }
    for (int i = 0; i < threads; i++)
        if (!started[i]) tasks[i].work(&tasks[i].part);
    for (int i = 1; i < threads; i++)
        if (started[i]) wait_for(handles[i]);
}
