-- Signals that come while oneDNN computes: its kernels let the stack pointer point into the heap for a while.

local cli = dofile "spec/support/cli.lua"
local core = require "agad.core"

teardown(cli.remove)

local function has_onednn()
  for _, o in ipairs(core.operators()) do if o.name == "mkldnn::_linear_pointwise" then return true end end
  return false
end

it("harm nothing, however many there are", function()
  if not has_onednn() then pending "this libtorch has no oneDNN" end
  cli.write(cli.dir .. "/s.lua", [[
    local agad = require "agad"
    local core = agad.core
    core.threads(1)
    local held <close> = require("agad.base.interrupt").hold()
    local linear = core.operator "mkldnn::_linear_pointwise"
    local a, b = agad.ones(1024, 64):t(), agad.ones(1024, 128):t()
    io.open("s.on", "w"):close()
    local storm = io.popen(("while [ -e s.on ] && kill -INT %d; do :; done"):format(require("luv").os_getpid()))
    local signals, wrong, products, began = 0, 0, 0, core.clock()
    agad.no_grad(function()
      while (products < 3000 or signals <= 100) and core.clock() < began + 300 do
        local y = linear(a, b, nil, "none", {}, "")
        if core.interrupted() then
          signals = signals + 1
          core.interrupt_clear()
        end
        products = products + 1
        if y:sum():item() ~= 64 * 128 * 1024 then wrong = wrong + 1 end
        y:close()
      end
    end)
    os.remove "s.on"
    storm:close()                                          -- waits for its end
    core.interrupt_clear()
    print(signals > 100, wrong)
  ]])
  local status, out, err = cli.agad "s.lua"
  assert.same({0, "true\t0\n", ""}, {status, out, err})
end)
