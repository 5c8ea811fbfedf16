/* Stands between an unmodified program and the C library (LD_PRELOAD), for changes of files below a
 * directory.
 *
 * It counts the steps of all processes and threads together, kills the process at one of them,
 * makes one fail, or records each with its bytes. It does not see writes to mapped memory (FILE-shm),
 * duplicated descriptors, copy_file_range and sendfile.
 *
 *   FAULTS_DIRECTORY    the observed directory: an absolute path without links
 *   FAULTS_STATE        a file of 4096 bytes elsewhere that all processes map; 8 bytes count steps
 *   FAULTS_KINDS        the steps that count, separated by commas; all if not set (names below)
 *   FAULTS_AT           the step at which something happens, counted from 1
 *   FAULTS_ACTION       kill-before, kill-within (half of a write is done), kill-after, short (half
 *                       of a write is done, and reported), EIO, ENOSPC
 *   FAULTS_FOR_EVER     if it is set, every later step fails, too
 *   FAULTS_TRACE        a file elsewhere to which every change is appended
 *   FAULTS_FILE_SYSTEM  the file system type that statfs reports for the directory, in hexadecimal
 *   FAULTS_CLOCK        if it is set, the wall clock runs backwards, an hour in a second
 *
 * Files whose name ends in ".ledger" are the campaign's own: recorded, but never disturbed.
 *
 * A new fault is a function of the C library's name here, which calls NEXT(name). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The C library's own function of this name. */
#define NEXT(name) \
    ({ \
        static __typeof__(name) *next_; \
        if (!next_) next_ = (__typeof__(name) *)dlsym(RTLD_NEXT, #name); \
        next_; \
    })

enum kind { CREATE, WRITE, TRUNCATE, SYNC, UNLINK, RENAME, LINK, MKDIR, KINDS };
static const char *const kind_names[KINDS] = {"open", "write", "truncate", "sync", "unlink", "rename", "link", "mkdir"};

enum action { GO, KILL_BEFORE, KILL_WITHIN, KILL_AFTER, SHORT, FAIL };

/* An entry of the trace, followed by the name, the second name or the bytes that were written. */
struct entry {
    uint32_t kind, process;
    uint32_t error;       /* 0: it was done; a failed sync is recorded as well */
    uint32_t name_length; /* of the name below the directory */
    uint64_t file;        /* inode; 0 if there is none */
    uint64_t offset;      /* of a write; the new size of a truncation */
    uint64_t length;      /* of what follows the name */
};

#define MOST_DESCRIPTORS 65536
/* What a descriptor is: of a file elsewhere, of one that is observed, of a ledger. */
enum role { ELSEWHERE, OBSERVED, LEDGER };
static _Atomic unsigned char roles[MOST_DESCRIPTORS];

static char directory[PATH_MAX];
static size_t directory_length;
static _Atomic uint64_t *steps;
static uint32_t kinds = ~0u;
static uint64_t at;
static enum action action = GO;
static int error;
static bool for_ever;
static const char *trace;

static void refuse(const char *what) {
    dprintf(2, "faults/shim.c: %s\n", what);
    _exit(99);
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("FAULTS_DIRECTORY");
    if (!text || directory_length) return;
    snprintf(directory, sizeof directory, "%s", text);
    directory_length = strlen(directory);
    trace = getenv("FAULTS_TRACE");
    if ((text = getenv("FAULTS_STATE"))) {
        int file = NEXT(open64)(text, O_RDWR | O_CLOEXEC);
        void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (file < 0 || map == MAP_FAILED) refuse("FAULTS_STATE cannot be mapped");
        NEXT(close)(file);
        steps = map;
    }
    if ((text = getenv("FAULTS_KINDS"))) {
        kinds = 0;
        while (*text) {
            size_t length = strcspn(text, ",");
            int kind = 0;
            while (kind < KINDS && (strncmp(text, kind_names[kind], length) || kind_names[kind][length])) kind++;
            if (kind == KINDS) refuse("FAULTS_KINDS has an unknown name");
            kinds |= 1u << kind;
            text += length + (text[length] == ',');
        }
    }
    if ((text = getenv("FAULTS_AT"))) {
        at = strtoull(text, NULL, 10);
        for_ever = getenv("FAULTS_FOR_EVER");
        text = getenv("FAULTS_ACTION");
        static const struct { const char *name; enum action action; int error; } actions[] = {
            {"kill-before", KILL_BEFORE, 0}, {"kill-within", KILL_WITHIN, 0}, {"kill-after", KILL_AFTER, 0},
            {"short", SHORT, 0}, {"EIO", FAIL, EIO}, {"ENOSPC", FAIL, ENOSPC},
        };
        for (size_t i = 0; text && i < sizeof actions / sizeof *actions; i++)
            if (!strcmp(text, actions[i].name)) action = actions[i].action, error = actions[i].error;
        if (action == GO || !steps) refuse("FAULTS_AT needs FAULTS_STATE and a FAULTS_ACTION that is known");
    }
}

/* The path below the directory: "" for the directory itself, NULL if it is elsewhere. */
static const char *below(const char *path, char *space) {
    begin();
    if (!directory_length || !path) return NULL;
    if (path[0] != '/') {
        if (!getcwd(space, PATH_MAX)) return NULL;
        size_t length = strlen(space);
        snprintf(space + length, PATH_MAX - length, "/%s", path);
        path = space;
    }
    if (strncmp(path, directory, directory_length)) return NULL;
    path += directory_length;
    if (*path == '/') return path + 1;
    return *path ? NULL : path;
}

static enum role role(int descriptor) {
    return descriptor >= 0 && descriptor < MOST_DESCRIPTORS ? roles[descriptor] : ELSEWHERE;
}

static void observe(int descriptor, enum role role) {
    if (descriptor >= 0 && descriptor < MOST_DESCRIPTORS) roles[descriptor] = role;
}

/* The role of a file by its path below the directory. */
static enum role role_of(const char *name) {
    if (!name) return ELSEWHERE;
    size_t length = strlen(name), ending = strlen(".ledger");
    return length >= ending && !strcmp(name + length - ending, ".ledger") ? LEDGER : OBSERVED;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* One step at a time while they are recorded: the lock excludes processes, the mutex threads. The
 * kernel releases the lock of a killed process. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int trace_file = -1;
static pid_t trace_owner;

static void lock(short kind) {
    struct flock whole = {.l_type = kind, .l_whence = SEEK_SET};
    while (fcntl(trace_file, F_OFD_SETLKW, &whole) && errno == EINTR);
}

static enum action enter(enum kind kind, enum role role) {
    if (trace) {
        pthread_mutex_lock(&mutex);
        if (trace_owner != getpid()) { /* A child's descriptor would share its parent's lock. */
            trace_file = NEXT(open64)(trace, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
            if (trace_file < 0) refuse("FAULTS_TRACE cannot be opened");
            trace_owner = getpid();
        }
        lock(F_WRLCK);
    }
    if (!steps || role == LEDGER || !(kinds >> kind & 1)) return GO;
    uint64_t step = atomic_fetch_add(steps, 1) + 1;
    if (!at || (for_ever ? step < at : step != at)) return GO;
    if (action == KILL_BEFORE) die();
    return action;
}

/* Ends the step, whose result and errno stay what they are. */
static void leave(enum action now) {
    int kept = errno;
    if (now == KILL_WITHIN || now == KILL_AFTER) die();
    if (trace) {
        lock(F_UNLCK);
        pthread_mutex_unlock(&mutex);
    }
    errno = kept;
}

static void record(enum kind kind, uint64_t file, int failed, const char *name, uint64_t offset, const void *bytes,
                   size_t length) {
    if (!trace) return;
    int kept = errno;
    struct entry entry = {kind, (uint32_t)getpid(), (uint32_t)failed, (uint32_t)strlen(name), file, offset, length};
    struct iovec parts[] = {{&entry, sizeof entry}, {(char *)name, entry.name_length}, {(void *)bytes, length}};
    if (NEXT(writev)(trace_file, parts, 3) != (ssize_t)(sizeof entry + entry.name_length + length))
        refuse("FAULTS_TRACE cannot be written");
    errno = kept;
}

static uint64_t inode_by(int descriptor, const char *path, int flags) {
    struct stat64 found;
    int kept = errno;
    uint64_t file = fstatat64(descriptor, path, &found, flags) ? 0 : found.st_ino;
    errno = kept;
    return file;
}

static uint64_t inode(int descriptor) { return inode_by(descriptor, "", AT_EMPTY_PATH); }
static uint64_t inode_of(const char *path) { return inode_by(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW); }

static int refused(enum action now) {
    leave(now);
    errno = error;
    return -1;
}

/* Opening: a step if it may create the file. */
typedef int opener(const char *, int, ...);

static int open_by(opener *next, const char *path, int flags, mode_t mode) {
    char space[PATH_MAX];
    const char *name = below(path, space);
    if (!name || !(flags & (O_CREAT | O_TRUNC))) {
        int descriptor = next(path, flags, mode);
        observe(descriptor, role_of(name));
        return descriptor;
    }
    enum action now = enter(CREATE, role_of(name));
    if (now == FAIL) return refused(now);
    uint64_t before = inode_of(path);
    int descriptor = now == KILL_WITHIN ? -1 : next(path, flags, mode);
    observe(descriptor, role_of(name));
    if (descriptor >= 0 && !before) record(CREATE, inode(descriptor), 0, name, 0, NULL, 0);
    if (descriptor >= 0 && before && flags & O_TRUNC) record(TRUNCATE, inode(descriptor), 0, "", 0, NULL, 0);
    leave(now);
    return descriptor;
}

/* The mode, which is there if a file may be created. */
#define MODE(mode) \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest)

#define OPENER(function, function_at) \
    int function(const char *path, int flags, ...) { \
        MODE(mode); \
        return open_by(NEXT(function), path, flags, mode); \
    } \
    int function_at(int base, const char *path, int flags, ...) { \
        MODE(mode); \
        if (base == AT_FDCWD || path[0] == '/') return open_by(NEXT(function), path, flags, mode); \
        int descriptor = NEXT(function_at)(base, path, flags, mode); \
        observe(descriptor, ELSEWHERE); \
        return descriptor; \
    }
OPENER(open, openat)
OPENER(open64, openat64)

int close(int descriptor) {
    observe(descriptor, ELSEWHERE);
    return NEXT(close)(descriptor);
}

/* Writing, at an offset or, if that is -1, where the file stands. */
static ssize_t put(int descriptor, const void *bytes, size_t length, off64_t offset) {
    enum action now = enter(WRITE, role(descriptor));
    if (now == FAIL) return refused(now);
    if (now == KILL_WITHIN || (now == SHORT && length > 1)) length /= 2;
    ssize_t done = offset < 0 ? NEXT(write)(descriptor, bytes, length)
                              : NEXT(pwrite64)(descriptor, bytes, length, offset);
    if (done > 0) {
        if (offset < 0) offset = lseek64(descriptor, 0, SEEK_CUR) - done;
        record(WRITE, inode(descriptor), 0, "", (uint64_t)offset, bytes, (size_t)done);
    }
    leave(now);
    return done;
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
    if (role(descriptor) == ELSEWHERE) return NEXT(write)(descriptor, bytes, length);
    return put(descriptor, bytes, length, -1);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t offset) {
    if (role(descriptor) == ELSEWHERE) return NEXT(pwrite64)(descriptor, bytes, length, offset);
    return put(descriptor, bytes, length, offset);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) {
    return pwrite64(descriptor, bytes, length, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    if (role(descriptor) == ELSEWHERE) return NEXT(writev)(descriptor, parts, count);
    ssize_t sum = 0;
    for (int part = 0; part < count; part++) {
        ssize_t done = put(descriptor, parts[part].iov_base, parts[part].iov_len, -1);
        if (done < 0) return sum ? sum : done;
        sum += done;
        if ((size_t)done < parts[part].iov_len) break;
    }
    return sum;
}

int ftruncate64(int descriptor, off64_t size) {
    if (role(descriptor) == ELSEWHERE) return NEXT(ftruncate64)(descriptor, size);
    enum action now = enter(TRUNCATE, role(descriptor));
    if (now == FAIL) return refused(now);
    int result = now == KILL_WITHIN ? 0 : NEXT(ftruncate64)(descriptor, size);
    if (!result) record(TRUNCATE, inode(descriptor), 0, "", (uint64_t)size, NULL, 0);
    leave(now);
    return result;
}

int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }

/* A sync that fails is recorded: what it was to save may be lost, whatever later ones say. */
static int sync_by(int (*next)(int), int descriptor) {
    if (role(descriptor) == ELSEWHERE) return next(descriptor);
    enum action now = enter(SYNC, role(descriptor));
    int result = now == FAIL || now == KILL_WITHIN ? -1 : next(descriptor);
    int failed = now == FAIL ? error : result ? errno : 0;
    record(SYNC, inode(descriptor), failed, "", 0, NULL, 0);
    leave(now);
    if (failed) errno = failed;
    return result;
}

int fsync(int descriptor) { return sync_by(NEXT(fsync), descriptor); }
int fdatasync(int descriptor) { return sync_by(NEXT(fdatasync), descriptor); }

/* Making a directory or removing a name. */
static int path_by(enum kind kind, const char *path, mode_t mode) {
    char space[PATH_MAX];
    const char *name = below(path, space);
    if (!name) return kind == MKDIR ? NEXT(mkdir)(path, mode) : NEXT(unlink)(path);
    enum action now = enter(kind, role_of(name));
    if (now == FAIL) return refused(now);
    uint64_t file = kind == MKDIR ? 0 : inode_of(path);
    int result = now == KILL_WITHIN ? -1 : kind == MKDIR ? NEXT(mkdir)(path, mode) : NEXT(unlink)(path);
    if (!result) record(kind, kind == MKDIR ? inode_of(path) : file, 0, name, 0, NULL, 0);
    leave(now);
    return result;
}

int mkdir(const char *path, mode_t mode) { return path_by(MKDIR, path, mode); }
int unlink(const char *path) { return path_by(UNLINK, path, 0); }

/* From a name to another, of which both may be elsewhere. */
static int name_by(enum kind kind, int (*next)(const char *, const char *), const char *from, const char *to) {
    char space[PATH_MAX], other_space[PATH_MAX];
    const char *name = below(from, space), *other = below(to, other_space);
    if (!name && !other) return next(from, to);
    enum action now = enter(kind, OBSERVED);
    if (now == FAIL) return refused(now);
    uint64_t file = inode_of(from);
    int result = now == KILL_WITHIN ? -1 : next(from, to);
    if (!result) record(kind, file, 0, name ? name : "", 0, other ? other : "", other ? strlen(other) : 0);
    leave(now);
    return result;
}

int rename(const char *from, const char *to) { return name_by(RENAME, NEXT(rename), from, to); }
int link(const char *from, const char *to) { return name_by(LINK, NEXT(link), from, to); }

/* The file system, and what time it is. */
int statfs64(const char *path, struct statfs64 *found) {
    char space[PATH_MAX];
    int result = NEXT(statfs64)(path, found);
    const char *type = getenv("FAULTS_FILE_SYSTEM");
    if (!result && type && below(path, space)) found->f_type = (__typeof__(found->f_type))strtoull(type, NULL, 16);
    return result;
}

/* Seconds by which the wall clock is wrong. */
static time_t wrong(void) {
    struct timespec now;
    if (!getenv("FAULTS_CLOCK")) return 0;
    NEXT(clock_gettime)(CLOCK_MONOTONIC, &now);
    return -3600 * now.tv_sec - 3600 * (now.tv_nsec / 1000000) / 1000;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = NEXT(clock_gettime)(clock, now);
    if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += wrong();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int result = NEXT(gettimeofday)(now, zone);
    if (!result) now->tv_sec += wrong();
    return result;
}

time_t time(time_t *now) {
    time_t found = NEXT(time)(NULL) + wrong();
    if (now) *now = found;
    return found;
}
