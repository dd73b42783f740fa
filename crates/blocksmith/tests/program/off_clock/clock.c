/* Moves the system's clock, as a program sees it, by $CLOCK_OFF_S seconds. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int failed = syscall(SYS_clock_gettime, clock, time);
    const char *off_s = getenv("CLOCK_OFF_S");
    if (!failed && clock == CLOCK_REALTIME && off_s)
        time->tv_sec += atol(off_s);
    return failed;
}
