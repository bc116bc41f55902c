--- @name agad.data.cifar100(o)
-- CIFAR-100 from its binary files; `superclasses` has the 20 coarse names and the superclass of each class.
-- @param o table root, size, channels, fit, filter (as for `agad.data.cifar10`), labels ("fine": 100 classes,
--   "coarse": 20)
-- @return set

local cifar = require "agad.data.cifar"
local option = require("agad.base.options").option

-- The sums of archives are those of TensorFlow Datasets and MLDatasets.jl, whose MD5 sums are those of the authors'
-- page; the sums of files are those of torchvision for Ruby.
return {
  title = "100 classes of photographs in 20 superclasses, 32 x 32 colour",
  options = cifar.options {labels = option {choices = {"fine", "coarse"}, help = "100 classes, or 20 superclasses"}},
  read = cifar.reader(100),
  fetch = {
    folder = "cifar-100-binary",
    places = cifar.places,
    archive = {name = "cifar-100-binary.tar.gz", bytes = 168513733, download = 168513733,
      sha256 = "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"},
    files = {
      {name = "train.bin", bytes = 50000 * 3074,
        sha256 = "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"},
      {name = "test.bin", bytes = 10000 * 3074,
        sha256 = "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"},
      {name = "fine_label_names.txt"},
      {name = "coarse_label_names.txt"},
    },
  },
}
