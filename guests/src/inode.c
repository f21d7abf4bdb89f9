/* inode (probe): prints the facts of a folder and of a file just made: numbers, links, size, times. */
#include <fcntl.h>
#include <sys/stat.h>

#include "pumasi.h"

static void facts(const char *path) {
    struct stat stat_;
    if (stat(path, &stat_) != 0)
        fail("no facts");
    uint64_t all[] = {
        stat_.st_dev, stat_.st_ino, stat_.st_nlink, stat_.st_mode, (uint64_t)stat_.st_size, (uint64_t)stat_.st_atim.tv_sec,
        (uint64_t)stat_.st_mtim.tv_sec, (uint64_t)stat_.st_ctim.tv_sec, (uint64_t)stat_.st_mtim.tv_nsec,
    };
    put_text(path);
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        put_byte(' ');
        put_number(all[i]);
    }
    put_byte('\n');
}

int main(void) {
    int file = open("/tmp/made", O_CREAT | O_WRONLY, 0600);
    if (file < 0 || write(file, "four", 4) != 4)
        fail("a file cannot be made");
    close(file);
    facts("/in");
    facts("/tmp");
    facts("/tmp/made");
    flush();
    return 0;
}
