--- The built-in scores: each says in one line what it is (`help`), what it needs of a method (`needs`: "picture", or
-- nothing), and how it is computed: `build(builder, x, x_hat)` adds it to a scoring program, one number an image.

return {
  l1 = {help = "mean of |x^ - x|", needs = "picture",
    build = function(b, x, x_hat) return b:difference_map(x_hat, x):op("mean.dim", {dim = {2, 3}}) end},
  l2 = {help = "L2 norm of x^ - x", needs = "picture",
    build = function(b, x, x_hat) return b:l2(x_hat, x) end},
  rmse = {help = "root mean square of x^ - x", needs = "picture",
    build = function(b, x, x_hat) return b:mean_square(x_hat, x):op "sqrt" end},
}
