/* Stands between the program and its disk, by LD_PRELOAD, for the files below $DISK_FOLDER.

   $DISK_LOG     gets every write, truncation, deletion and sync: op, offset, lengths of path and data, path, data.
   $DISK_BROKEN  while a file of that name exists, each of them fails with the error whose number it holds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t note(const char *path, char op, int64_t offset, const void *data, size_t size) {
    static int log = -2;
    const char *folder = getenv("DISK_FOLDER"), *broken = getenv("DISK_BROKEN"), *name = getenv("DISK_LOG");
    size_t length = strlen(path);
    if (!folder || strncmp(path, folder, strlen(folder))) return 0;
    FILE *why = broken ? fopen(broken, "r") : NULL;
    if (why) {
        int number = EIO, read = fscanf(why, "%d", &number);
        fclose(why);
        errno = read == 1 ? number : EIO;
        return -1;
    }
    if (!name) return 0;
    if (log == -2) log = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct { int64_t op, offset, path, data; } head = {op, offset, (int64_t)length, (int64_t)size};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, length}, {(void *)data, size}};
    return writev(log, parts, 3) < 0 ? -1 : 0;
}

static ssize_t record(int fd, char op, int64_t offset, const void *data, size_t size) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return note(path, op, offset, data, size);
}

#define NEXT(name, ...) \
    static ssize_t (*next)(__VA_ARGS__); \
    if (!next) next = (ssize_t (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

/* A write counts once it is done: what fails is no write. */
#define PWRITE(name) \
    ssize_t name(int fd, const void *data, size_t size, off_t offset) { \
        NEXT(#name, int, const void *, size_t, off_t); \
        if (record(fd, 'w', offset, data, size)) return -1; \
        return next(fd, data, size, offset); \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int fd, const void *data, size_t size) {
    NEXT("write", int, const void *, size_t);
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (at >= 0 && record(fd, 'w', at, data, size)) return -1;
    return next(fd, data, size);
}

#define TRUNCATE(name) \
    int name(int fd, off_t size) { \
        NEXT(#name, int, off_t); \
        if (record(fd, 't', size, "", 0)) return -1; \
        return (int)next(fd, size); \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

int unlink(const char *path) {
    NEXT("unlink", const char *);
    if (note(path, 'u', 0, "", 0)) return -1;
    return (int)next(path);
}

#define SYNC(name) \
    int name(int fd) { \
        NEXT(#name, int); \
        int failed = (int)next(fd); \
        return failed ? failed : (int)record(fd, 's', 0, "", 0); \
    }
SYNC(fsync)
SYNC(fdatasync)
