--- @name agad.data.fashion_mnist(o)
-- Fashion-MNIST, as `agad.data.mnist`; classes t-shirt, trouser, … ankle-boot.
-- @param o table as for `agad.data.mnist`
-- @return set
-- @example set = agad.data.fashion_mnist()

local idx = require "agad.data.idx"

-- The sums are computed from Debian's package dataset-fashion-mnist; they are the same in several public lists that
-- were made from files with the authors' MD5 sums.
return {
  title = "articles of clothing, 28 x 28 grey",
  options = idx.options,
  read = idx.reader "fashion-mnist",
  fetch = {
    folder = "fashion-mnist",
    places = {"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
      "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"},
    files = idx.files({
      train = {26421880, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
      test = {4422102, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
    }, {
      train = {29515, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
      test = {5148, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
    }),
  },
}
