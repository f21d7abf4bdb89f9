/* thumb: an image on standard input, a small one as PPM (P6) on standard output. `[--size N]`, 128 unless said.
 *
 * Reads PPM (P6, 8 bits) and BMP (24 or 32 bits, not compressed). The longer side becomes N at most, the other keeps the
 * shape; a small image stays as it is. Each pixel is the rounded mean of those it covers: integers only, so every machine
 * gives the same bytes. */
#include "pumasi.h"

#define SIDE_MAX 20000u

typedef struct {
    uint32_t width, height;
    const uint8_t *first; /* top left pixel */
    ptrdiff_t row; /* from one row to the next below, in bytes */
    unsigned step, red, green, blue; /* from pixel to pixel, and where the colors lie in it */
} Image;

static uint32_t word(const uint8_t *at, unsigned bytes) {
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint32_t)at[i] << 8 * i;
    return value;
}

static Image checked(Image image, const uint8_t *text, size_t length, size_t from) {
    if (image.width == 0 || image.height == 0 || image.width > SIDE_MAX || image.height > SIDE_MAX)
        fail("an image of this size is not read");
    uint64_t row = (uint64_t)(image.row < 0 ? -image.row : image.row), all = row * image.height;
    if (from > length || all > length - from)
        fail("the image is cut off");
    image.first = text + from + (image.row < 0 ? row * (image.height - 1) : 0);
    return image;
}

static Image read_bmp(const uint8_t *text, size_t length) {
    if (length < 54)
        fail("the image is cut off");
    Image image = {.width = word(text + 18, 4), .height = word(text + 22, 4), .red = 2, .green = 1, .blue = 0};
    unsigned depth = word(text + 28, 2);
    if ((depth != 24 && depth != 32) || word(text + 30, 4) != 0)
        fail("only BMP of 24 or 32 bits without compression is read");
    int is_downward = image.height > 0x7fffffffu;
    if (is_downward)
        image.height = 0u - image.height;
    if (image.width > SIDE_MAX)
        image.width = 0;
    image.step = depth / 8;
    image.row = (ptrdiff_t)((image.width * image.step + 3) / 4 * 4);
    if (!is_downward)
        image.row = -image.row;
    return checked(image, text, length, word(text + 10, 4));
}

/* A number of a PPM head, after blanks and comments. */
static uint32_t head_number(const uint8_t *text, size_t length, size_t *at) {
    while (*at < length && (text[*at] <= ' ' || text[*at] == '#')) {
        if (text[*at] == '#')
            while (*at < length && text[*at] != '\n')
                ++*at;
        else
            ++*at;
    }
    size_t start = *at;
    uint64_t number;
    while (*at < length && text[*at] >= '0' && text[*at] <= '9')
        ++*at;
    if (!number_of(text + start, *at - start, &number) || number > SIDE_MAX)
        fail("an image of this size is not read");
    return (uint32_t)number;
}

static Image read_ppm(const uint8_t *text, size_t length) {
    size_t at = 2;
    Image image = {.step = 3, .red = 0, .green = 1, .blue = 2};
    image.width = head_number(text, length, &at);
    image.height = head_number(text, length, &at);
    if (head_number(text, length, &at) != 255)
        fail("only PPM of 8 bits is read");
    image.row = (ptrdiff_t)(image.width * 3);
    return checked(image, text, length, at + 1);
}

static void shrink(const Image *image, uint32_t width, uint32_t height) {
    for (uint32_t y = 0; y < height; y++) {
        uint32_t top = (uint32_t)((uint64_t)y * image->height / height);
        uint32_t bottom = (uint32_t)((uint64_t)(y + 1) * image->height / height);
        for (uint32_t x = 0; x < width; x++) {
            uint32_t left = (uint32_t)((uint64_t)x * image->width / width);
            uint32_t right = (uint32_t)((uint64_t)(x + 1) * image->width / width);
            uint64_t red = 0, green = 0, blue = 0, area = (uint64_t)(bottom - top) * (right - left);
            for (uint32_t row = top; row < bottom; row++) {
                const uint8_t *pixel = image->first + image->row * (ptrdiff_t)row + (size_t)left * image->step;
                uint32_t r = 0, g = 0, b = 0;
                for (uint32_t i = left; i < right; i++, pixel += image->step) {
                    r += pixel[image->red];
                    g += pixel[image->green];
                    b += pixel[image->blue];
                }
                red += r;
                green += g;
                blue += b;
            }
            put_byte((uint8_t)((red + area / 2) / area));
            put_byte((uint8_t)((green + area / 2) / area));
            put_byte((uint8_t)((blue + area / 2) / area));
        }
    }
}

int main(int argc, char **argv) {
    uint64_t size = 128;
    if (argc == 3 && strcmp(argv[1], "--size") == 0)
        size = asked(argv[2], size);
    else if (argc != 1)
        fail("usage: thumb [--size N]");
    if (size == 0 || size > SIDE_MAX)
        fail("a thumbnail of this size is not made");
    size_t length;
    const uint8_t *text = take_all(&length, 0);
    Image image;
    if (length > 2 && text[0] == 'P' && text[1] == '6')
        image = read_ppm(text, length);
    else if (length > 2 && text[0] == 'B' && text[1] == 'M')
        image = read_bmp(text, length);
    else
        fail("neither PPM (P6) nor BMP");
    uint64_t longer = image.width > image.height ? image.width : image.height;
    uint64_t most = longer < size ? longer : size;
    uint32_t width = (uint32_t)((image.width * most + longer / 2) / longer);
    uint32_t height = (uint32_t)((image.height * most + longer / 2) / longer);
    width += width == 0;
    height += height == 0;
    put_text("P6\n");
    put_number(width);
    put_byte(' ');
    put_number(height);
    put_text("\n255\n");
    shrink(&image, width, height);
    flush();
    return 0;
}
