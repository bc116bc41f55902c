-- Doc comments: their index, and the text of `? NAME`.

local doc = require "agad.cli.doc"

describe("doc", function()
  it("finds by full name, by its end, and by value", function()
    local text = doc.lookup "agad.options.resolve"
    assert.matches("^agad%.options%.resolve%(method, given, suggested%)\n  The full configuration of a run", text)
    assert.equal(text, doc.lookup "options.resolve")
    assert.equal(text, doc.lookup(require("agad.options").resolve))
    assert.matches("\n  method +table  a method's table", text)
    assert.matches("\n  returns table a flat configuration", text)
  end)

  it("documents modules by the comment at their top", function()
    assert.matches("^agad%.cli%.doc\n  Doc comments", doc.lookup "agad.cli.doc")
    assert.equal(doc.lookup "agad.cli.doc", doc.lookup(doc))
  end)

  it("knows the layers of the core, from their own table", function()
    local text = doc.lookup "agad.nn.conv"
    assert.matches("^agad%.nn%.conv%(channels, out, o%)\n  Convolution %(PyTorch's Conv2d%)%.\n", text)
    assert.matches("kernel %(3, or {vertical, horizontal}%): height", text)
    assert.equal(text, doc.lookup(require("agad").nn.conv))
    assert.matches("^agad%.nn%.handle:concat%(%.%.%., o%)", doc.lookup "handle:concat")
    assert.matches("Any operator of libtorch as a node", doc.lookup "handle:op")     -- the comment of the builder
    assert.is_nil(doc.lookup "agad.nn.constant")
  end)

  it("keeps lines within the width", function()
    for line in (doc.lookup("agad.options.resolve", 60) .. "\n"):gmatch("(.-)\n") do
      assert.is_true(utf8.len(line) <= 60, line)
    end
  end)

  it("knows nothing of other names", function()
    assert.is_nil(doc.lookup "no.such.name")
    assert.is_nil(doc.lookup(function() end))
  end)

  it("ends no summary at an abbreviation before a number", function()
    assert.equal("L_con (Eq. 6): mean |x^ - x|.", doc.find("agad.loss.context")[1].summary)
  end)

  it("gives examples", function()
    local text = doc.lookup("agad.trainer", 200)
    assert.matches("^agad%.trainer%(task, given, o%)\n  Prepares to train", text)
    assert.matches('\n  example: run = agad%.trainer%(task, {net = "unet", epochs = 5}%)', text)
    assert.matches("\n  example: y = agad%.nn%.conv%(", doc.lookup("agad.nn.conv", 200))
  end)

  it("says where a function lies", function()
    assert.matches("\n  in [^\n]+/lua/agad/base/configuration%.lua:%d+$", doc.lookup "agad.options.resolve")
  end)

  it("finds words in names and in texts, names first, in any case", function()
    local found = {}
    for i, entry in ipairs(doc.search "Batch NORM") do found[entry.name] = i end
    assert.is_true(found["agad.nn.batch_norm"] < found["agad.nn.LAYER:train"])
    assert.equal("agad.metrics.auroc_interval", doc.search("AUROC_INTERVAL")[1].name)
    assert.same({}, doc.search "nosuchword")
  end)
end)
