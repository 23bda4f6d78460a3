/* A worker in plain C99: perfkit's worker protocol, version 1, around one small kernel.
 *
 * cc -std=c99 -O2 -o worker worker.c
 * cc -std=c99 -O2 -DSLOWDOWN_PERCENT=10 -o slower worker.c
 *
 * It tells wall and CPU time; what plain POSIX does not tell (switches, wait, CPU) it answers with a dash.
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#ifndef SLOWDOWN_PERCENT
#define SLOWDOWN_PERCENT 0
#endif

static const char CASE[] = "own/spin-u64/loop@baseline/1000/t1";

/* Written by every call, so that no compiler leaves the work out. */
static volatile uint64_t result;

/* Each step waits for the one before, and the shift keeps steps from being folded into one. */
static void spin(void)
{
    const uint64_t steps = 1000 * (100 + SLOWDOWN_PERCENT) / 100;
    uint64_t state = 1;
    for (uint64_t i = 0; i < steps; i++)
        state = (state ^ (state >> 29)) * UINT64_C(0x9e3779b97f4a7c15);
    result = state;
}

static int64_t nanoseconds(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void sample(uint64_t count)
{
    /* The CPU clock is read outside the wall clock, on either end. */
    int64_t cpu = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
    int64_t wall = nanoseconds(CLOCK_MONOTONIC);
    for (uint64_t i = 0; i < count; i++)
        spin();
    wall = nanoseconds(CLOCK_MONOTONIC) - wall;
    cpu = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    printf("sample %" PRId64 " %" PRId64 " - - -\n", wall, cpu);
}

static void answer(const char *line, int *prepared)
{
    uint64_t count;
    if (strncmp(line, "perfkit-worker ", 15) == 0) {
        printf("perfkit-worker 1 c-worker 0.1\n");
    } else if (strcmp(line, "list") == 0) {
        printf("case %s\nend\n", CASE);
    } else if (strncmp(line, "prepare ", 8) == 0) {
        const size_t length = strlen(CASE);
        const char *end = line + 8 + length;
        /* Behind the case stand `seed=N` and whatever later versions add. */
        *prepared = strncmp(line + 8, CASE, length) == 0 && (*end == '\0' || *end == ' ');
        if (*prepared)
            printf("ready\n");
        else
            printf("error no case %s\n", line + 8);
    } else if (sscanf(line, "sample %" SCNu64, &count) == 1) {
        if (*prepared)
            sample(count);
        else
            printf("error nothing is prepared\n");
    } else {
        printf("unknown\n");
    }
}

int main(int argc, char **argv)
{
    char line[1024];
    int prepared = 0;
    if (argc != 2 || strcmp(argv[1], "__worker") != 0) {
        fprintf(stderr, "a worker for perfkit: start it with the single argument __worker\n");
        return 2;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        if (strcmp(line, "quit") == 0)
            return 0;
        answer(line, &prepared);
        if (fflush(stdout) != 0)
            return 1;
    }
    return 0;
}
