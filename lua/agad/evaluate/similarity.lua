--- Structural similarity (Wang et al., 2004): a Gaussian window of 11 x 11 with a standard deviation of 1.5, only where
-- it fits into the picture, and constants of .01 and .03 of the range.

local core = require "agad.core"

local similarity = {}

local WINDOW, DEVIATION, K1, K2 = 11, 1.5, .01, .03

-- Means over the window along one axis, as a matrix (1, side, side - window + 1).
local function window_means(side, window)
  local numbers, sum = {}, 0
  for i = 1, window do
    numbers[i] = math.exp(-(i - (window + 1) / 2) ^ 2 / (2 * DEVIATION ^ 2))
    sum = sum + numbers[i]
  end
  local list, out = {}, side - window + 1
  for i = 1, side do
    for k = 1, out do list[#list + 1] = (numbers[i - k + 1] or 0) / sum end
  end
  return core.from_table(list, "float32"):reshape {1, side, out}
end

--- The windows for pictures of a size; smaller ones for pictures below 11 pixels.
-- @param pictures tensor (n, channels, height, width)
-- @return table kept tensors ssim_rows, ssim_columns
function similarity.windows(pictures)
  local height, width = pictures:size(3), pictures:size(4)
  local window = math.min(WINDOW, (height - 1) // 2 * 2 + 1, (width - 1) // 2 * 2 + 1)
  return {ssim_rows = window_means(height, window), ssim_columns = window_means(width, window)}
end

--- 1 - the mean similarity of x and x_hat.
-- @param s table as in agad.evaluate.scores
-- @return handle a number per picture
function similarity.dissimilarity(s)
  local x, y, c1, c2 = s.x, s.x_hat, (K1 * (s.high - s.low)) ^ 2, (K2 * (s.high - s.low)) ^ 2
  local function mean(t)                          -- with its axes exchanged, which the mean over them does not see
    return t:op("matmul", nil, s.kept.ssim_columns):op("transpose.int", {dim0 = 3, dim1 = 4})
      :op("matmul", nil, s.kept.ssim_rows)
  end
  local function times(a, b) return a:op("mul.Tensor", nil, b) end
  local function minus(a, b) return a:op("sub.Tensor", nil, b) end
  local mx, my = mean(x), mean(y)
  local mxx, myy, mxy = times(mx, mx), times(my, my), times(mx, my)
  local xx, yy, xy = minus(mean(times(x, x)), mxx), minus(mean(times(y, y)), myy), minus(mean(times(x, y)), mxy)
  local above, below = times(2 * mxy + c1, 2 * xy + c2), times(mxx + myy + c1, xx + yy + c2)
  local all = above:op("div.Tensor", nil, below):op("flatten.using_ints", {start_dim = 2})
  return all:op("mean.dim", {dim = {2}}) * -1 + 1
end

return similarity
