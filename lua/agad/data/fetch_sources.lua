-- The data sets that `agad fetch` can get: their places and their SHA-256.
--
-- `sha256` of a file is of its content: what a *.gz holds when it is unpacked, as gzip copies differ. `bytes` is the
-- length of that content, `download` about what the copy takes on the way (for the list and the progress line only).
-- An archive's sum is of the archive as it is. A place is an address that the file's name is put behind; the first is
-- the official one where that still answers. A file without a sum is a list of class names, never read as data; it
-- comes out of an archive whose sum was right.
--
-- Where the sums are from:
--   mnist          computed from the four IDX files; the same in many public lists
--   fashion-mnist  computed from Debian's package dataset-fashion-mnist; the same in several public lists that were
--                  made from files with the authors' MD5 sums
--   cifar10, cifar100   archives: as TensorFlow Datasets and MLDatasets.jl have them, their MD5 sums are those of the
--                  authors' page; files: as torchvision for Ruby has them

local function idx(images, labels)               -- the four files of an MNIST-like set; each {download, sha256}
  local function file(name, bytes, given)
    return {name = name, bytes = bytes, download = given[1], sha256 = given[2]}
  end
  return {
    file("train-images-idx3-ubyte.gz", 16 + 60000 * 784, images.train),
    file("train-labels-idx1-ubyte.gz", 8 + 60000, labels.train),
    file("t10k-images-idx3-ubyte.gz", 16 + 10000 * 784, images.test),
    file("t10k-labels-idx1-ubyte.gz", 8 + 10000, labels.test),
  }
end

local toronto = "https://www.cs.toronto.edu/~kriz/"
local mindspore = "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/"

local function batch(name, sha256) return {name = name, bytes = 10000 * 3073, sha256 = sha256} end

return {
  mnist = {
    title = "handwritten digits, 28 x 28 grey",
    folder = "mnist",
    -- The authors' page (yann.lecun.com/exdb/mnist) refuses downloads; these two hold its files.
    places = {"https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"},
    files = idx({
      train = {9912422, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
      test = {1648877, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
    }, {
      train = {28881, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
      test = {4542, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
    }),
  },

  ["fashion-mnist"] = {
    title = "articles of clothing, 28 x 28 grey",
    folder = "fashion-mnist",
    places = {"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
      "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"},
    files = idx({
      train = {26421880, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
      test = {4422102, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
    }, {
      train = {29515, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
      test = {5148, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
    }),
  },

  cifar10 = {
    title = "10 classes of photographs, 32 x 32 colour",
    folder = "cifar-10-batches-bin",
    places = {toronto, mindspore},
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

  cifar100 = {
    title = "100 classes of photographs in 20 superclasses, 32 x 32 colour",
    folder = "cifar-100-binary",
    places = {toronto, mindspore},
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
