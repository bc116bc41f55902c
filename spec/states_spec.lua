-- Errors of Lua's that arise inside the core leave nothing behind: what metamethods, finalisers and callbacks raise.
-- To add a place where the core reads a user's table, append it to `places`: a title, and a function that gets a table
-- whose metamethods raise and must let the error through, or not need the metamethod.

local agad = require "agad"
local core = agad.core

-- A table with these items whose metamethods raise.
local function hostile(items)
  local function raise() error("from a metamethod", 0) end
  return setmetatable(items or {}, {__index = raise, __len = raise, __gc = raise, __pairs = raise, __tostring = raise,
    __name = "hostile", __close = raise})
end

local function tensors()
  collectgarbage()
  collectgarbage()
  return agad.memory().tensors
end

local picture = agad.zeros(2, 1, 8, 8):to "uint8"
local b = agad.nn.builder {1, 8, 8}
local net = agad.nn.net(b:conv(2, {kernel = 3, padding = 1}):build "small"):init(1)
local folder = os.tmpname()

local places = {
  {"positional arguments", function(t) return agad.ones(2):add(t) end},
  {"keywords", function(t) return agad.ones(2):sum(t) end},
  {"a keyword's value", function(t) return agad.ones(2):sum {dim = t} end},
  {"a list of sizes", function(t) return agad.ones(t) end},
  {"a list of tensors", function(t) return agad.cat {agad.ones(2), t} end},
  {"numbers of a tensor", function(t) return agad.tensor {{1, 2}, t} end},
  {"an index", function(t) return agad.ones(2, 2)[t] end},
  {"a range of an index", function(t) return agad.ones(2, 2)[{1, t}] end},
  {"a part that is assigned", function(t) agad.ones(2, 2)[{t}] = 1 end},
  {"flags of grad", function(t) local x = agad.ones(2):requires_grad_(); core.grad(x:sum(), x, t) end},
  {"inputs of grad", function(t) core.grad(agad.ones(1), t) end},
  {"a net's options", function(t) return agad.nn.net(b:build "again", t) end},
  {"a net's row groups", function(t) return net(agad.zeros(1, 1, 8, 8), {t}) end},
  {"options of a score", function(t) return core.score(net, picture, t) end},
  {"scores and labels", function(t) return core.metrics.auroc(t, {0, 1}) end},
  {"options of the interval", function(t) return core.metrics.auroc_interval({1, 2}, {0, 1}, t) end},
  {"the origin of pictures", function(t) return core.data.shortcut(picture, {0, 1}, t) end},
  {"options of a loader", function(t) return core.data.load_files({"/nowhere"}, t) end},
  {"the paths of a loader", function(t) return core.data.load_files(t) end},
  {"options of a decoder", function(t) return core.data.read("/nowhere", t) end},
  {"a fit", function(t) return core.data.resize(picture, 4, 4, t) end},
  {"an update of a step", function(t) return core.step("agad", "{}"):add_update("g", t, t) end},
  {"a batch's options", function(t) return core.batch(picture, nil, -1, 1, t) end},
  {"tensors of a file", function(t) return core.save(folder, {t}, "{}") end},
  {"a value for JSON", function(t) return core.json_encode {t, agad.core.null} end},
  {"a sampler's rows", function(t) return core.data.sampler(t, {}, 1, 0, 1) end},
  {"a sampler's state", function(t) return core.data.sampler({0}, {}, 1, 0, 1):set_state(t) end},
}

describe("an error of Lua's in the core", function()
  teardown(function() os.remove(folder) end)

  for _, place in ipairs(places) do
    it(("leaves nothing behind where it comes from %s"):format(place[1]), function()
      pcall(place[2], hostile {})
      pcall(place[2], hostile {1, 2})
      local before = tensors()
      for _ = 1, 3 do
        pcall(place[2], hostile {})
        pcall(place[2], hostile {1, 2})
        pcall(place[2], hostile {dim = 1})
      end
      assert.equal(before, tensors())
      assert.equal(6, (agad.ones(2, 3) * 1):sum():item())
    end)
  end

  it("is what a metamethod raised, where the core reads a table through one", function()
    local ok, message = pcall(core.score, net, picture, hostile {})
    assert.is_false(ok)
    assert.equal("from a metamethod", message)
  end)

  it("leaves nothing behind where finalisers make tensors while an operator gives its results", function()
    local function litter() setmetatable({}, {__gc = function() agad.ones(3):add(1); error "from a finaliser" end}) end
    local t = agad.arange(64):reshape(8, 8)
    local before = tensors()
    warn "@off"
    for i = 1, 3000 do
      litter()
      local parts = t:split(1)
      assert(#parts == 8 and parts[8][{1, 8}]:item() == 63)
      if i % 100 == 0 then collectgarbage "step" end
    end
    local parts = nil -- luacheck: ignore
    assert.equal(before, tensors())
  end)

  it("in a hook reaches who asked for the gradient, and the next backward works", function()
    local before = tensors()
    for _, what in ipairs {"a text", 42, 1.5} do
      local x = agad.ones(2):requires_grad_()
      local y = x * 2
      y:register_hook(function() error(what, 0) end)
      local ok, message = pcall(function() y:sum():backward() end)
      assert.is_false(ok)
      assert.truthy(message:find(tostring(what), 1, true))
      local z = agad.ones(2):requires_grad_();
      (z * 3):sum():backward()
      assert.equal(6, z.grad:sum():item())
    end
    assert.equal(before, tensors())
  end)

  it("lets a hook's function go with its graph", function()
    local kept = setmetatable({}, {__mode = "k"})
    do
      local x = agad.ones(2):requires_grad_()
      local y, big = x * 2, {}
      kept[big] = true
      y:register_hook(function() return big and nil end)
      y:sum():backward()
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(kept))
  end)

  it("in a stage that another coroutine runs again is the step's, and the step goes on", function()
    local step, after
    local run = dofile("spec/support/steps.lua").new_run {stages = {{"again", function()
      local ok, message = coroutine.resume(coroutine.create(function() step:run(agad.zeros(2, 1, 16, 16), 2) end))
      assert(not ok and message:find "already running", message)
    end}, {"after", function() after = true end}}}
    step = run.step
    step:run(agad.zeros(2, 1, 16, 16), 2)
    assert.is_true(after)
  end)
end)

-- Runs in a Lua state of its own: gradients through hooks, Lua stages, errors and printing, again and again.
local function work(path, cpath, out, factor)
  package.path, package.cpath, factor = path, cpath, math.tointeger(factor)
  local lib = require "agad"
  local half = {kernel = 4, stride = 2, padding = 1}
  local generator = lib.nn.net(lib.nn.builder({1, 8, 8}):conv(2, half):conv_transpose(1, half):build "g"):init(1)
  local step = lib.core.step("tiny", "{}")
  local ran = 0
  step:add_net("g", generator)
  step:add_update("g", {"g"}, {lr = 0, beta1 = .5, beta2 = .9, eps = 1e-8, weight_decay = 0, clip = 0, accumulate = 1})
  step:add_stage("rebuild", function()
    local y = generator(step:get "x")
    y:register_hook(function(g) ran = ran + 1; return g * factor end)
    step:backward("g", y:sum())
  end)
  step:add_stage "g_update"
  step:set_state {}
  for i = 1, 300 do
    local x = lib.ones(3):requires_grad_()
    x:register_hook(function(g) return g * factor end);
    (x * 2):sum():backward()
    assert(x.grad:sum():item() == 6 * factor)
    local y = x * 1
    y:register_hook(function() error("number " .. factor, 0) end)
    local ok, message = pcall(function() y:sum():backward() end)
    assert(not ok and message:find("number " .. factor, 1, true), message)
    assert(tostring(lib.full({2}, factor)):find(tostring(factor), 1, true))
    assert(not pcall(lib.add, lib.ones(2), lib.ones(3)))
    if i % 10 == 0 then step:run(lib.ones(2, 1, 8, 8), 2) end
    lib.scope(function() return lib.ones(4) + factor end)
  end
  assert(ran == 30 and lib.memory().tensors > 0)
  local file <close> = assert(io.open(out, "w"))
  file:write "fine"
end

describe("Lua states side by side in a process", function()
  local cli = dofile "spec/support/cli.lua"
  teardown(cli.remove)

  it("work on threads of their own, with hooks, stages, errors and printing", function()
    cli.write(cli.dir .. "/work.bin", string.dump(work))
    cli.write(cli.dir .. "/threads.lua", [[
      local luv = require "luv"
      require "agad"
      local bytes <const> = assert(io.open("work.bin", "rb")):read "a"
      local threads = {}
      for i = 1, 3 do
        threads[i] = luv.new_thread(function(bytes, ...) load(bytes, "work", "b")(...) end, bytes, package.path,
          package.cpath, "state" .. i, i + 1)
      end
      load(bytes, "work", "b")(package.path, package.cpath, "state4", 5)
      for _, thread in ipairs(threads) do thread:join() end]])
    local status, _, err = cli.agad("threads.lua", "OMP_NUM_THREADS=1")
    assert.equal("", err)
    assert.equal(0, status)
    for i = 1, 4 do assert.equal("fine", cli.read(cli.dir .. "/state" .. i)) end
  end)
end)
