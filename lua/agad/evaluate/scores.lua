--- The built-in scores: larger is more anomalous. Each is defined here once, by name:
--   help: one line
--   needs: what a method must have for it: "picture" (a net that reconstructs), "discriminator" (a net whose outputs
--     are the logit of "real" and the latent), "held_out" (normals held out by the task)
--   simple: true for a baseline that needs no net; reports show its AUROC beside that of every method
--   fit(pictures, input, names): what it keeps of training normals (uint8), as tensors by name; `input` is the range
--     of the program's input, `names` the scores that the method can have
--   build(s): its nodes in a scoring program: one number per picture, and optionally a table `parts` as a method's own
--     score may return it (agad.evaluate.scorer)
--   settle(parts): kept tensors that depend on the weights, from the parts (n, k) of held-out normals
-- `s` has b (the builder), x and shape, keep (the kept tensors) and kept (their nodes), x_hat, logit (D's of x), z and
-- z_hat (D's latents of x and x_hat), low and high (the range of x), names (the scores that the method can have), and
-- score(name), the nodes of another score.

local nodes = require "agad.evaluate.nodes"

-- A function of another file, which is read when it is first called: what only asks for the names of
-- scores, such as `agad --help`, does not wait for libtorch.
local function of(file, name)
  return function(...) return require("agad.evaluate." .. file)[name](...) end
end

local fit_simple = of("simple", "fit")

-- One node of D per picture, with its sign turned: what D takes for real is normal.
local function unreal(s) return s.logit:op("sum.dim_IntList", {dim = {2, 3, 4}}):op "neg" end

-- The square over which `local` smooths: about a sixteenth of the shorter side, odd, at least 3.
local function square(shape) return math.max(3, math.min(shape[2], shape[3]) // 16 // 2 * 2 + 1) end

local combined = {"rmse", "ssim", "local", "latent", "discriminator", "pca", "knn"}

-- Those of the scores above that a method can have.
local function parts_of(names)
  local can, list = {}, {}
  for _, name in ipairs(names) do can[name] = true end
  for _, name in ipairs(combined) do if can[name] then list[#list + 1] = name end end
  return list
end

local scores = {
  l1 = {help = "mean absolute difference of x^ and x", needs = {"picture"},
    build = function(s) return s.b:difference_map(s.x_hat, s.x):op("mean.dim", {dim = {2, 3}}) end},
  l2 = {help = "L2 norm of the difference of x^ and x", needs = {"picture"},
    build = function(s) return s.b:l2(s.x_hat, s.x) end},
  rmse = {help = "root mean square difference of x^ and x", needs = {"picture"},
    build = function(s) return s.b:mean_square(s.x_hat, s.x):op "sqrt" end},
  latent = {help = "mean of (z^ - z)^2, of D's latents of x^ and x", needs = {"picture", "discriminator"},
    build = function(s) return s.b:mean_square(s.z_hat, s.z) end},
  skip = {help = ".9 times the mean of (x^ - x)^2, plus .1 times latent (Skip-GANomaly's)",
    needs = {"picture", "discriminator"},
    build = function(s) return 0.9 * s.b:mean_square(s.x_hat, s.x) + 0.1 * s.b:mean_square(s.z_hat, s.z) end},
  ssim = {help = "1 - mean structural similarity of x^ and x", needs = {"picture"},
    fit = of("similarity", "windows"), build = of("similarity", "dissimilarity")},
  ["local"] = {help = "largest absolute difference of x^ and x, smoothed over a sixteenth of the side",
    needs = {"picture"},
    build = function(s)
      return nodes.smooth(s.b:difference_map(s.x_hat, s.x), square(s.shape)):op("amax", {dim = {2, 3}})
    end},
  discriminator = {help = "minus D's logit of x, which knows the known anomalies", needs = {"discriminator"},
    build = unreal},
  combined = {help = "sum of " .. table.concat(combined, ", ") .. ", each standardised on held-out normals",
    needs = {"picture", "held_out"},
    fit = function(pictures, input, names)
      local core, kept, n = require "agad.core", fit_simple(pictures, input), #parts_of(names)
      for name, t in pairs(of("similarity", "windows")(pictures)) do kept[name] = t end
      kept.combined_median, kept.combined_scale = core.operator "zeros"({n}), core.operator "ones"({n})
      return kept
    end,
    build = function(s)
      local parts = {}
      for i, name in ipairs(parts_of(s.names)) do parts[i] = {name, (s.score(name))} end
      local all = nodes.standardised(nodes.columns(parts), s.kept.combined_median, s.kept.combined_scale)
      return all:op("clamp", {min = -1.0, max = 4.0}):op("sum.dim_IntList", {dim = {2}}), {parts = parts}
    end,
    settle = function(parts)
      local median, scale = require("agad.tensor.fitting").robust(parts)
      return {combined_median = median, combined_scale = scale}
    end},
  mean_distance = {help = "distance to the mean training normal, at 32 x 32", simple = true, fit = fit_simple,
    build = of("simple", "mean_distance")},
  pca = {help = "root mean square of what 30 principal components leave, at 32 x 32", simple = true,
    fit = fit_simple, build = of("simple", "residual")},
  pca_local = {help = "the same for the hundredth of the picture where most is left", simple = true, fit = fit_simple,
    build = of("simple", "local_residual")},
  knn = {help = "mean distance to the 5 nearest training normals, on 30 principal components", simple = true,
    fit = fit_simple, build = of("simple", "nearest")},
}

return scores
