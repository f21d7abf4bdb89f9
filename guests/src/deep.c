/* deep (hostile): calls itself for ever. How deep it gets differs between machines, so nothing of it is compared. */
static volatile unsigned sink, never;

__attribute__((noinline)) static unsigned deep(unsigned depth) {
    if (never)
        return depth;
    sink = depth;
    unsigned below = deep(depth * 3 + 1);
    sink = below;
    return below * 31 + depth;
}

int main(void) {
    return (int)deep(1);
}
