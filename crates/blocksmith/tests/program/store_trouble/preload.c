/* A file system that refuses: LD_PRELOAD makes the C library's calls fail.
 *
 * FLOCK=N and FCNTL=N: locks of whole files and of ranges fail with the error N; DATABASE_FLOCK=N:
 * those of files whose names hold "chain.redb" alone.
 * FULL=PATH: once PATH exists, files whose names hold "chain.redb" get no longer and take no more,
 * with the error ENOSPC.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int refused(const char *name) {
    const char *error = getenv(name);
    if (!error) return 0;
    errno = atoi(error);
    return 1;
}

static int of_database(int fd) {
    char link[64], name[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length < 0) return 0;
    name[length] = 0;
    return strstr(name, "chain.redb") != NULL;
}

int flock(int fd, int operation) {
    if (refused("FLOCK") || (of_database(fd) && refused("DATABASE_FLOCK"))) return -1;
    return (int)syscall(SYS_flock, fd, operation);
}

static int locks(int command) {
    return command == F_SETLK || command == F_SETLKW || command == F_GETLK ||
           command == F_OFD_SETLK || command == F_OFD_SETLKW || command == F_OFD_GETLK;
}

/* redb asks for its locks this way. */
long syscall(long number, ...) {
    static long (*syscall_of_libc)(long, ...);
    if (!syscall_of_libc) syscall_of_libc = dlsym(RTLD_NEXT, "syscall");
    va_list rest;
    va_start(rest, number);
    long a[6];
    for (int at = 0; at < 6; at++) a[at] = va_arg(rest, long);
    va_end(rest);
    if (number == SYS_fcntl && locks((int)a[1]) && refused("FCNTL")) return -1;
    return syscall_of_libc(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int full(int fd) {
    const char *marker = getenv("FULL");
    if (!marker || access(marker, F_OK) || !of_database(fd)) return 0;
    errno = ENOSPC;
    return 1;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    return full(fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    return full(fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, count, at);
}
