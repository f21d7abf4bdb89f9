/* What the sample guests share: memory that is never given back, buffered output, whole input, a way to fail.
 *
 * One command per file, WASI preview 1 by way of wasi-libc; the same sources build natively for comparison.
 * No stdio: blocks of 64 KiB and more, because each call to the host has a price. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK ((size_t)256 << 10)

/* Says why on standard error and ends with exit code 1. */
static _Noreturn void fail(const char *why) {
    (void)!write(2, why, strlen(why));
    (void)!write(2, "\n", 1);
    _exit(1);
}

static uint8_t *room_at, *room_end;

#ifdef __wasm__
#define PAGE ((size_t)65536)
#define ROOM_STEP ((size_t)1 << 20)

/* Makes sure that `bytes` lie free at `room_at`; what lies there already stays in one piece with it. */
static void need(size_t bytes) {
    if (bytes <= (size_t)(room_end - room_at))
        return;
    if (bytes > (size_t)1 << 31)
        fail("out of memory");
    uint8_t *top = (uint8_t *)(__builtin_wasm_memory_size(0) * PAGE);
    if (room_end != top)
        room_at = room_end = top;
    size_t lack = bytes - (size_t)(room_end - room_at);
    size_t exact = (lack + PAGE - 1) / PAGE, roomy = (lack + ROOM_STEP - 1) / ROOM_STEP * (ROOM_STEP / PAGE);
    size_t pages = roomy;
    if (__builtin_wasm_memory_grow(0, roomy) == (size_t)-1) {
        pages = exact;
        if (__builtin_wasm_memory_grow(0, exact) == (size_t)-1)
            fail("out of memory");
    }
    room_end += pages * PAGE;
}
#else
#include <sys/mman.h>

static void need(size_t bytes) {
    if (!room_at) {
        size_t all = (size_t)16 << 30;
        room_at = mmap(0, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        room_end = room_at + all;
    }
    if (bytes > (size_t)(room_end - room_at))
        fail("out of memory");
}
#endif

/* Fresh memory, filled with zeros, aligned to 8. */
static inline void *room(size_t bytes) {
    need(bytes + 8);
    room_at = (uint8_t *)(((uintptr_t)room_at + 7) & ~(uintptr_t)7);
    void *found = room_at;
    room_at += bytes;
    return found;
}

/* Reads until `most` bytes are there or the input ends. */
static inline size_t take(int fd, uint8_t *at, size_t most) {
    size_t have = 0;
    while (have < most) {
        ssize_t count = read(fd, at + have, most - have);
        if (count < 0)
            fail("cannot read");
        if (count == 0)
            break;
        have += (size_t)count;
    }
    return have;
}

/* Reads standard input to its end; at least `spare` bytes of zeros follow it. */
static inline uint8_t *take_all(size_t *length, size_t spare) {
    uint8_t *start = room(0);
    size_t have = 0, step = BLOCK;
    for (;;) {
        need(have + step + spare);
        if (have == 0)
            start = room_at;
        size_t count = take(0, start + have, step);
        have += count;
        if (count < step)
            break;
        if (step < (size_t)4 << 20)
            step *= 2;
    }
    room_at += have + spare;
    *length = have;
    return start;
}

static uint8_t out_block[BLOCK];
static size_t out_count;

static inline void put_all(int fd, const uint8_t *at, size_t count) {
    while (count > 0) {
        ssize_t done = write(fd, at, count);
        if (done <= 0)
            fail("cannot write");
        at += done;
        count -= (size_t)done;
    }
}

/* Sends what is buffered. Every guest that prints ends with it. */
static inline void flush(void) {
    put_all(1, out_block, out_count);
    out_count = 0;
}

static inline void put(const void *bytes, size_t count) {
    if (count > BLOCK - out_count) {
        flush();
        if (count > BLOCK) {
            put_all(1, bytes, count);
            return;
        }
    }
    memcpy(out_block + out_count, bytes, count);
    out_count += count;
}

static inline void put_byte(uint8_t byte) {
    if (out_count == BLOCK)
        flush();
    out_block[out_count++] = byte;
}

static inline void put_text(const char *text) {
    put(text, strlen(text));
}

/* Decimal digits of `number` at the end of a buffer of 20; gives where they begin. */
static inline char *digits(uint64_t number, char buffer[20]) {
    char *at = buffer + 20;
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    return at;
}

static inline void put_number(uint64_t number) {
    char buffer[20], *at = digits(number, buffer);
    put(at, (size_t)(buffer + 20 - at));
}

static inline void put_hex(const void *bytes, size_t count) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++) {
        put_byte((uint8_t)"0123456789abcdef"[at[i] >> 4]);
        put_byte((uint8_t)"0123456789abcdef"[at[i] & 15]);
    }
}

/* Reads a decimal number of `length` digits; 0 if it is none or over 2^64 - 1. */
static inline int number_of(const uint8_t *at, size_t length, uint64_t *number) {
    uint64_t sum = 0;
    if (length == 0)
        return 0;
    for (size_t i = 0; i < length; i++) {
        unsigned digit = (unsigned)at[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(sum, (uint64_t)10, &sum) || __builtin_add_overflow(sum, digit, &sum))
            return 0;
    }
    *number = sum;
    return 1;
}

/* An argument or variable as a number; `otherwise` if there is none, and a failure if it is no number. */
static inline uint64_t asked(const char *word, uint64_t otherwise) {
    uint64_t number = otherwise;
    if (word && !number_of((const uint8_t *)word, strlen(word), &number))
        fail("not a number");
    return number;
}

/* The next number of a sequence (splitmix64): the same on every machine, integers only. */
static inline uint64_t next(uint64_t *state) {
    uint64_t x = *state += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}
