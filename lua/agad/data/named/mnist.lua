--- @name agad.data.mnist(o)
-- MNIST from its four IDX files, gzip or not: 60,000 and 10,000 digits of 28 x 28, resized.
-- @param o table root ($AGAD_DATA, or ~/.cache/agad/data), size (32), channels (1), fit ("resize", "crop", "pad"),
--   filter ("bilinear", "area", "adaptive")
-- @return set classes "0" to "9"
-- @raise a file is missing (with where it was looked for), broken, or disagrees with another
-- @example set = agad.data.mnist {size = 32}; set

local idx = require "agad.data.idx"

-- The sums are computed from the four IDX files; they are the same in many public lists.
return {
  title = "handwritten digits, 28 x 28 grey",
  options = idx.options,
  read = idx.reader "mnist",
  fetch = {
    folder = "mnist",
    -- The authors' page (yann.lecun.com/exdb/mnist) refuses downloads; these two hold its files.
    places = {"https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"},
    files = idx.files({
      train = {9912422, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
      test = {1648877, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
    }, {
      train = {28881, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
      test = {4542, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
    }),
  },
}
