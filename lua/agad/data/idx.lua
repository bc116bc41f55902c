-- What sets in IDX files share: options, reader, and the four files to download.

local form = require("agad.data.set").form
local some = require("agad.data.options").some

local idx = {options = some("size channels fit filter root", {size = 32, channels = 1})}

--- The `read` function for a set of this name (`agad.data.named`); the core knows its classes and folders.
function idx.reader(name)
  return function(o, root)
    local train, test, classes = require("agad.core").data.mnist(name, root, form(o))
    return {train = train, test = test, classes = classes}
  end
end

--- The files of a set of 60,000 and 10,000 pictures of 28 x 28.
-- @param images table train, test: each {download, sha256}
-- @param labels table the same
-- @return list of files, as `agad.data.named` describes them
function idx.files(images, labels)
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

return idx
