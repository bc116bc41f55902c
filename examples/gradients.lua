-- Training by hand: a net of two layers learns a curve from 64 points. Automatic differentiation gives the gradients,
-- and the step of gradient descent is written out. It takes a second, prints the loss, and draws the curve.
--   agad examples/gradients.lua [PLOT.png]          without a file the plot is drawn in the terminal

local agad = require "agad"
local nn, loss = agad.nn, agad.loss

local x = agad.linspace(-3, 3, 64):unsqueeze(2)         -- 64 rows, 1 column: unsqueeze(2) adds the second dimension
local y = x:sin()

local net = nn.sequential(
  nn.linear(1, 32, {seed = 1}),
  agad.tanh,                                            -- any function of a tensor can be a layer
  nn.linear(32, 1, {seed = 2}))

local RATE, STEPS = 0.05, 2000

for step = 1, STEPS do
  local now = loss.mse(net(x), y)
  now:backward()                                        -- adds the gradient to p.grad of each parameter p
  agad.no_grad(function()
    for _, p in ipairs(net:parameters()) do
      p.tensor:sub_(RATE * p.tensor.grad)
      p.tensor.grad:zero_()                             -- or the next backward would add to it
    end
  end)
  if step == 1 or step % 500 == 0 then
    print(("step %4d: mean squared error %.4f"):format(step, now:item()))
  end
end

local learned = agad.no_grad(function() return net(x) end)
agad.plot({
  {x = x:flatten(), y = y:flatten(), title = "sin x", kind = "points"},
  {x = x:flatten(), y = learned:flatten(), title = "the net"},
  title = "A curve learned from 64 points",
}, arg[1])
