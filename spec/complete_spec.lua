-- Completion: what may stand at a place of a text. To add a case: a text with | where the cursor is, and the
-- candidates.

local agad = require "agad"
local complete = require "agad.cli.repl.complete"
local lfs = require "lfs"
local scratch = dofile "spec/support/scratch.lua"
local tokens = require "agad.cli.repl.tokens"

local object = setmetatable({size = 3}, {__index = {fit = print, save = print, name = "x", _own = print}})
local env = {
  lib = {data = {load = print, names = {}}, doc = 1}, run = object, list = {object, key = object}, s = "text",
  agad = agad, trainer = agad.trainer, data = agad.data, task = agad.task, nn = agad.nn, t = agad.zeros(2),
  set = {classes = {"cloth", "scratch", "hole"}},
}

local function at(text)
  local place = text:find("|", 1, true)
  return complete.at(text:sub(1, place - 1) .. text:sub(place + 1), place - 1, env)
end

local function gives(expected, text) assert.same(expected, select(2, at(text)), text) end

-- Expects these among the candidates.
local function offers(expected, text)
  local found = {}
  for _, candidate in ipairs(select(2, at(text))) do found[candidate] = true end
  for _, candidate in ipairs(expected) do assert.is_true(found[candidate], ("%s: %s"):format(text, candidate)) end
end

teardown(scratch.remove)

describe("completion of names", function()
  it("finds globals and keywords", function()
    gives({"lib", "list"}, "x = li|")
    gives({"and"}, "an|")
    gives({}, "nothing.at.all|")
    offers({"run", "while", "lib"}, "|")
    gives({"lib"}, "? lib|")
  end)

  it("finds fields, also inherited ones, after a colon functions only", function()
    gives({"data", "doc"}, "lib.|")
    gives({"load", "names"}, "print(lib.data.|")
    gives({"fit", "name", "save", "size"}, "run.|")
    gives({"fit", "save"}, "run:|")
    gives({"_own"}, "run:_|")
    gives({"rep", "reverse"}, "s:re|")
    gives({"size"}, "list[1].si|")
    gives({"size"}, "list['key'].si|")
    gives({}, "f().si|")
  end)

  it("finds what a value's users need before what else is in it", function()
    local run = setmetatable({nets = {}, keep = {}}, {__index = {fit = print, log = print}, __public = {"fit", "nets"}})
    local function found(text) return select(2, complete.at(text, #text, {run = run})) end
    assert.same({"fit", "nets"}, found "run.")
    assert.same({"fit"}, found "run:")
    assert.same({"log"}, found "run:l")
  end)

  it("knows what a call gives from the documentation, and calls nothing", function()
    gives({"manifest"}, "task.new(data.weave {}, {}):man|")
    gives({"fit"}, "trainer(t, {epochs = 1}):f|")
    gives({"evaluate"}, "trainer(t):fit():ev|")
    gives({"reconstruct"}, "agad.model.open 'x.safetensors':rec|")
    gives({"unsqueeze", "unsqueeze_", "unsqueeze_copy"}, "agad.zeros(2, 3):sum(1):unsq|")
    offers({"shape"}, "t:t().sh|")
    gives({}, "trainer(t):next_b|")
    gives({}, "t:totable():s|")
    gives({}, "(lib)(1):s|")
    gives({}, "nothing(1):s|")
    gives({}, "):s|")
  end)

  it("replaces the word alone, wherever the cursor is", function()
    assert.equal(9, (at "x = lib.da| + 1"))
    assert.equal(5, (at "x = lib|"))
    gives({"data"}, "x = lib.da| + 1")
  end)

  it("knows operators, as functions and as methods, layers and builders", function()
    offers({"softmax", "softmin"}, "agad.softm|")
    gives({"unsqueeze", "unsqueeze_", "unsqueeze_copy"}, "t:unsq|")
    gives({"conv", "conv_transpose"}, "nn.conv|")
    env.b = agad.nn.builder {1, 8, 8}
    gives({"conv", "conv_norm", "conv_transpose"}, "b:conv|")
  end)

  it("offers nothing in a comment, a number, or after a string", function()
    gives({}, "-- li|")
    gives({}, "--[[ li|")
    gives({}, "x = 12|")
    gives({}, "x = 'a'|")
  end)

  it("never fails", function()
    env.odd = setmetatable({}, {__index = function() error "no" end, __fields = function() error "no" end})
    gives({}, "odd.x.y|")
    gives({}, "odd.x|")
    for _, text in ipairs {"}}}.|", ")(|", "[[|", "'\\|", "{{{|", "trainer(t, {[|", "\0\255|", "= {|", "a.b:c.|", "?|",
      "trainer(|", "f{g = {h = {|", "::|"} do
      assert.is_table(select(2, at(text)), text)
    end
  end)
end)

describe("completion in the table of a call", function()
  it("offers the options that the function takes", function()
    gives({"net = "}, "trainer(t, {ne|")
    gives({"net = "}, "run = trainer(task.one_vs_rest(data.weave {}, {gamma = .1}), {epochs = 2, ne|")
    gives({"gamma = "}, "task.one_vs_rest(set, {ga|")
    gives({"filter = ", "fit = "}, "data.mnist {size = 32, fi|")
    gives({"filter = ", "fit = "}, "data.folder('x', {fi|")
    gives({"padding = "}, "nn.conv(3, 4, {kernel = 3, pad|")
    gives({"padding = "}, "b:conv(4, {pad|")
    gives({"resamples = "}, "agad.metrics.auroc_interval(s, l, {re|")
    gives({"dir = "}, "trainer(t, {}, {di|")
    gives({"x = ", "xlabel = ", "xrange = "}, "agad.plot {y = {1, 2}, x|")
    gives({"panel = "}, "agad.plot.epochs(runs, 'e.svg', {pan|")
  end)

  it("offers nested options in an inner table", function()
    gives({"lambda = "}, "trainer(t, {lamb|")
    gives({"adcon = ", "adv = ", "con = ", "lat = "}, "trainer(t, {lambda = {|")
    gives({"flip = "}, "trainer(t, {augment = {f|")
  end)

  it("offers the options of the method that is given", function()
    gives({}, "trainer(t, {beta_kl|")
    gives({"eta = "}, "trainer(t, {method = 'deep_sad', et|")
  end)

  it("offers an option's values, in quotes where they are text", function()
    gives({"unet", "unet++"}, "trainer(t, {net = \"u|")
    gives({"unet", "unet++"}, "trainer(t, {net = 'u|")
    gives({'"resize"', '"crop"', '"pad"'}, "data.mnist {fit = |")
    gives({"false", "true"}, "trainer(t, {advprop_bn = |")
    gives({"mixture"}, "trainer(t, {bn_eval = 'mi|")
    gives({"both", "bars", "band", "box"}, "agad.plot {y = {1, 2}, kind = 'b|")
    gives({"1", "3"}, "data.folder('x', {channels = |")
    offers({"agad", "agad_local"}, "trainer(t, {method = '|")
    gives({"float16", "float32", "float64"}, "agad.rand(2, {dtype = 'float|")
  end)

  it("offers the names of sets, classes, devices and dtypes where these are given", function()
    gives({"cifar10", "cifar100"}, "data.load 'ci|")
    gives({"weave"}, "data.load('we|")
    gives({"cloth", "metal", "grain", "dots"}, "data.weave {normal = '|")
    gives({"metal"}, "data.load('weave', {normal = 'm|")
    gives({"filter = ", "fit = "}, "data.load('mnist', {fi|")
    gives({"cloth", "scratch", "hole"}, "task.one_vs_rest(set, {gamma = .1, normal = '|")
    gives({"hole"}, "trainer(set, {normal = \"h|")
    gives({"cpu", "cuda", "complex64", "complex128"}, "t:to 'c|")
    gives({"bfloat16", "bool"}, "t:to('b|")
    gives({"cuda"}, "agad.zeros(2, {device = 'cu|")
  end)

  it("offers an operator's keywords", function()
    gives({"device = ", "dtype = "}, "agad.rand(2, 3, {d|")
    offers({"keepdim = "}, "t:sum(1, {k|")
  end)

  it("offers names where no option begins so, and in tables of no call", function()
    gives({"lib", "list"}, "x = {li|")
    gives({"lib", "list"}, "trainer(t, {epochs = li|")
    gives({"lib", "list"}, "trainer(li|")
  end)
end)

describe("completion in a string", function()
  it("offers file names, folders with a slash", function()
    lfs.mkdir(scratch.path "some folder")
    scratch.write(scratch.path "some file.csv", "")
    scratch.write(scratch.path ".hidden", "")
    local from, list = at(("agad.load('%s/so|"):format(scratch.folder))
    assert.equal(12, from)
    assert.same({scratch.path "some file.csv", scratch.path "some folder/"}, list)
    gives({scratch.path "some file.csv", scratch.path "some folder/"}, ("x = [[%s/|"):format(scratch.folder))
    gives({scratch.path "some folder/"}, ("x = \"%s/some fo|"):format(scratch.folder))
    gives({scratch.path "some file.csv", scratch.path "some folder/"}, ("! ls %s/|"):format(scratch.folder))
    gives({}, "x = '/no/such/folder/|")
  end)
end)

describe("tokens", function()
  it("are Lua's, also of unfinished text", function()
    local parts = {}
    for i, token in ipairs(tokens.of [==[a1=0x1p-3+.5e2..'q\'"'--[[c]]//[=[x]]]=]]==]) do
      parts[i] = token.kind .. " " .. token.text
    end
    assert.same({"name a1", "symbol =", "number 0x1p-3", "symbol +", "number .5e2", "symbol ..", "string 'q\\'\"'",
      "comment --[[c]]", "symbol //", "string [=[x]]]=]"}, parts)
    for _, text in ipairs {"'abc", "[[abc", "--[[abc", "'a\\", "-- abc", '"\\z  '} do
      local list = tokens.of(text)
      assert.is_true(list[#list].open, text)
      assert.equal(#text, list[#list].to, text)
    end
  end)

  it("cover text of any bytes", function()
    local seed = 7
    for _ = 1, 300 do
      local bytes = {}
      for i = 1, 40 do
        seed = (seed * 1103515245 + 12345) % (1 << 31)
        bytes[i] = string.char(seed >> 16 & 0xff)
      end
      local text, at_byte = table.concat(bytes), 0
      for _, token in ipairs(tokens.of(text)) do
        assert.is_true(token.from > at_byte and token.to >= token.from)
        at_byte = token.to
      end
      assert.is_true(at_byte <= #text)
    end
  end)
end)
