/* dirorder (probe): lists /in, then makes some files in /tmp and lists it, in whatever order the entries come. */
#include <dirent.h>
#include <fcntl.h>

#include "pumasi.h"

static void list(const char *path) {
    DIR *folder = opendir(path);
    if (!folder)
        fail("a folder cannot be listed");
    for (struct dirent *entry; (entry = readdir(folder));) {
        put_text(entry->d_name);
        put_byte(' ');
        put_number(entry->d_type);
        put_byte(' ');
        put_number(entry->d_ino);
        put_byte('\n');
    }
    closedir(folder);
}

int main(void) {
    static const char *const names[] = {"/tmp/zebra", "/tmp/ape", "/tmp/m", "/tmp/B", "/tmp/yak", "/tmp/\xc3\xa9"};
    list("/in");
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        int file = open(names[i], O_CREAT | O_WRONLY, 0600);
        if (file < 0)
            fail("a file cannot be made");
        close(file);
    }
    list("/tmp");
    flush();
    return 0;
}
