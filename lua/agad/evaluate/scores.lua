--- The built-in scores. `help` describes each in one line; `needs` is "picture" if the method must have a net that
-- reconstructs; `build(builder, x, x_hat)` adds the score, one number per picture, to a scoring program.

return {
  l1 = {help = "mean of |x^ - x|", needs = "picture",
    build = function(b, x, x_hat) return b:difference_map(x_hat, x):op("mean.dim", {dim = {2, 3}}) end},
  l2 = {help = "L2 norm of x^ - x", needs = "picture",
    build = function(b, x, x_hat) return b:l2(x_hat, x) end},
  rmse = {help = "root mean square of x^ - x", needs = "picture",
    build = function(b, x, x_hat) return b:mean_square(x_hat, x):op "sqrt" end},
}
