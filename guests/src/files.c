/* files (hostile): makes files for ever. */
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    char name[] = "/tmp/aaaaaaaa";
    for (;;) {
        for (char *at = name + 5; *at && ++*at > 'z'; at++)
            *at = 'a';
        int file = open(name, O_CREAT | O_WRONLY, 0600);
        if (file >= 0)
            close(file);
    }
}
