--- @name agad.data.cifar10(o)
-- CIFAR-10 from its binary batches: 50,000 and 10,000 pictures of 32 x 32.
-- @param o table root (as for `agad.data.mnist`), size (32), channels (3), fit ("resize", "crop", "pad"),
--   filter ("bilinear", "area", "adaptive")
-- @return set classes airplane, automobile, … truck
-- @raise a file is missing (with where it was looked for and what to fetch) or broken
-- @example set = agad.data.cifar10(); set

local cifar = require "agad.data.cifar"

local function batch(name, sha256) return {name = name, bytes = 10000 * 3073, sha256 = sha256} end

-- The sums of archives are those of TensorFlow Datasets and MLDatasets.jl, whose MD5 sums are those of the authors'
-- page; the sums of files are those of torchvision for Ruby.
return {
  title = "10 classes of photographs, 32 x 32 colour",
  options = cifar.options {},
  read = cifar.reader(10),
  fetch = {
    folder = "cifar-10-batches-bin",
    places = cifar.places,
    archive = {name = "cifar-10-binary.tar.gz", bytes = 170052171, download = 170052171,
      sha256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
    files = {
      batch("data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
      batch("data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
      batch("data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
      batch("data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
      batch("data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
      batch("test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
      {name = "batches.meta.txt"},
    },
  },
}
