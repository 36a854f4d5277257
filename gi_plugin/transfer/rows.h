/* Distributes the rows of a picture among threads. The result of a row depends only on the inputs, not on the thread that computes it. */
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

enum { GI_MOST_THREADS = 64 };

typedef int (*gi_work)(const void *task, int64_t first, int64_t last); /* 0, or 1 if memory ran out */

typedef struct {
    gi_work work;
    const void *task;
    int64_t rows, step;
    int64_t next; /* first row that no thread has taken yet */
    int failed;
} gi_queue;

static void gi_take_rows(gi_queue *queue)
{
    for (;;) {
        const int64_t first = __atomic_fetch_add(&queue->next, queue->step, __ATOMIC_RELAXED);
        if (first >= queue->rows)
            return;
        const int64_t last = first + queue->step < queue->rows ? first + queue->step : queue->rows;
        if (queue->work(queue->task, first, last))
            __atomic_store_n(&queue->failed, 1, __ATOMIC_RELAXED);
    }
}

#ifdef _WIN32
typedef HANDLE gi_thread;
static DWORD WINAPI gi_run(void *queue)
{
    gi_take_rows(queue);
    return 0;
}
static int gi_start(gi_thread *thread, gi_queue *queue)
{
    *thread = CreateThread(NULL, 0, gi_run, queue, 0, NULL);
    return *thread != NULL;
}
static void gi_join(gi_thread thread)
{
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}
#else
typedef pthread_t gi_thread;
static void *gi_run(void *queue)
{
    gi_take_rows(queue);
    return 0;
}
static int gi_start(gi_thread *thread, gi_queue *queue) { return pthread_create(thread, 0, gi_run, queue) == 0; }
static void gi_join(gi_thread thread) { pthread_join(thread, 0); }
#endif

/* Runs `work` on all rows. A thread takes `step` rows plus about `pixels` pixels at a time, so that the start of the thread pays off. If a
   thread cannot be started, the others do its rows. */
static int gi_share_rows(gi_work work, const void *task, int64_t rows, int64_t columns, int64_t step, int64_t pixels, int threads)
{
    step += pixels / columns;
    gi_queue queue = {work, task, rows, step, 0, 0};
    gi_thread others[GI_MOST_THREADS];
    int started = 0;
    while (started + 1 < threads && started < GI_MOST_THREADS && (started + 1) * step < rows && gi_start(&others[started], &queue))
        started++;
    gi_take_rows(&queue);
    while (started > 0)
        gi_join(others[--started]);
    return queue.failed;
}

#endif
