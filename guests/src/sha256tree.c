/* sha256tree: the root of a hash tree over standard input, as `hex TAB bytes LF`.
 *
 * Leaves are SHA-256 of a byte 0 and 64 KiB of input, the last one shorter; nodes are SHA-256 of a byte 1 and their two
 * children; the left side of a node is the largest full tree (RFC 6962). No input is one empty leaf. */
#include "pumasi.h"

#define LEAF ((size_t)65536)

static const uint32_t rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t turn(uint32_t word, unsigned by) {
    return word >> by | word << (32 - by);
}

static void mix(uint32_t hash[8], const uint8_t block[64]) {
    uint32_t w[64];
    for (unsigned i = 0; i < 16; i++) {
        uint32_t word;
        memcpy(&word, block + 4 * i, 4);
        w[i] = __builtin_bswap32(word);
    }
    for (unsigned i = 16; i < 64; i++) {
        uint32_t s0 = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4], f = hash[5], g = hash[6], h = hash[7];
    for (unsigned i = 0; i < 64; i++) {
        uint32_t one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + rounds[i] + w[i];
        uint32_t two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
    }
    hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d, hash[4] += e, hash[5] += f, hash[6] += g, hash[7] += h;
}

/* Hashes `length` bytes, after which 72 may be overwritten. */
static void sha256(uint8_t *at, size_t length, uint8_t out[32]) {
    uint32_t hash[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    size_t padded = (length + 9 + 63) / 64 * 64;
    memset(at + length, 0, padded - length);
    at[length] = 0x80;
    uint64_t bits = __builtin_bswap64((uint64_t)length * 8);
    memcpy(at + padded - 8, &bits, 8);
    for (size_t i = 0; i < padded; i += 64)
        mix(hash, at + i);
    for (unsigned i = 0; i < 8; i++) {
        uint32_t word = __builtin_bswap32(hash[i]);
        memcpy(out + 4 * i, &word, 4);
    }
}

/* Full trees so far, larger ones first, each with the logarithm of its leaves. */
static struct {
    uint8_t hash[32];
    unsigned height;
} trees[64];
static unsigned count;

static void join(void) {
    uint8_t node[65 + 72];
    node[0] = 1;
    memcpy(node + 1, trees[count - 2].hash, 32);
    memcpy(node + 33, trees[count - 1].hash, 32);
    count--;
    sha256(node, 65, trees[count - 1].hash);
    trees[count - 1].height++;
}

int main(void) {
    uint8_t *leaf = room(1 + LEAF + 72);
    uint64_t all = 0;
    for (;;) {
        size_t length = take(0, leaf + 1, LEAF);
        if (length == 0 && all > 0)
            break;
        all += length;
        leaf[0] = 0;
        sha256(leaf, 1 + length, trees[count].hash);
        trees[count++].height = 0;
        while (count > 1 && trees[count - 1].height == trees[count - 2].height)
            join();
        if (length < LEAF)
            break;
    }
    while (count > 1)
        join();
    put_hex(trees[0].hash, 32);
    put_byte('\t');
    put_number(all);
    put_byte('\n');
    flush();
    return 0;
}
