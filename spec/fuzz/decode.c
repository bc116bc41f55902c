/* decode.c: any file with any options, decoded, turned upright and resampled.  The last 8 bytes, which follow the
 * picture or are its end, are the options too. */
#include "fuzz.h"

#include "data/decode.h"
#include "data/formats.h"

static int channels_of(unsigned byte) { return byte % 4 == 0 ? 0 : byte % 4 == 1 ? 1 : 3; }

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  if (n < 8) return 0;
  const uint8_t *knob = bytes + n - 8;
  decode_options o = {
      .form.fit = (data_fit)(knob[0] % 3), .form.filter = (data_filter)(knob[0] / 3 % 2), .fast_decode = knob[0] >> 7};
  o.form.channels = channels_of(knob[1]);
  o.mask = knob[0] >> 6 & 1;
  o.max_pixels = 1 << 18;
  if (knob[2]) {
    o.form.height = 1 + knob[3] + (knob[2] % 16 == 1) * 1000;
    o.form.width = 1 + knob[4] + (knob[2] % 16 == 2) * 1000;
  }
  const data_format *format = data_format_of(bytes, n);
  int header = format ? format->channels(bytes, n) : 0;
  CHECK(header == 0 || header == 1 || header == 3);
  agad_error error = {""};
  decoded out;
  if (decode_memory(bytes, n, &o, &out, &error)) {
    check_message(&error);
    CHECK(!out.pixels);
    return 0;
  }
  CHECK(o.form.channels || out.channels == (o.mask ? 1 : header));
  CHECK(!o.form.channels || out.channels == o.form.channels);
  CHECK(!o.form.height || (out.height == o.form.height && out.width == o.form.width));
  touch(out.pixels, (size_t)out.channels * out.height * out.width);
  free(out.pixels);
  return 0;
}
