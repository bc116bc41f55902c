-- Documentation of the metrics, which C provides: `? NAME` reads it (its format is in agad/cli/doc.lua). No code is
-- here. Scores are lists or tensors, a higher one is more anomalous; labels are 0 (normal) and 1 (anomalous).

--- @name agad.metrics.auroc(scores, labels)
-- Area under the ROC curve: the chance that an anomalous score is above a normal one, ties counted half. Exact.
-- @param scores list|tensor
-- @param labels list|tensor
-- @return number
-- @raise scores are not finite (with how many, and the first of them); all labels are equal, so that AUROC is undefined
-- @example agad.metrics.auroc({.1, .4, .3, .8}, {0, 0, 1, 1})

--- @name agad.metrics.auroc_interval(scores, labels, o)
-- A confidence interval of AUROC: the percentiles of a stratified bootstrap.
-- @param scores list|tensor
-- @param labels list|tensor
-- @param o table resamples (1000), level (.95), seed (1)
-- @return number its low end
-- @return number its high end
-- @example agad.metrics.auroc_interval({.1, .4, .3, .8}, {0, 0, 1, 1}, {resamples = 100})

--- @name agad.metrics.average_precision(scores, labels)
-- Sum over thresholds of (recall gained) x precision: scikit-learn's average_precision_score.
-- @param scores list|tensor
-- @param labels list|tensor
-- @return number
-- @example agad.metrics.average_precision({.1, .4, .3, .8}, {0, 0, 1, 1})

--- @name agad.metrics.f1(scores, labels, threshold)
-- F1 of calling anomalous every score above a threshold, as `agad score` does.
-- @param scores list|tensor
-- @param labels list|tensor
-- @param threshold number
-- @return number
-- @example agad.metrics.f1({.1, .4, .3, .8}, {0, 0, 1, 1}, .35)

--- @name agad.metrics.best_f1(scores, labels)
-- The best F1 over all thresholds. It uses the labels to choose the threshold, so it is an oracle.
-- @param scores list|tensor
-- @param labels list|tensor
-- @return number
-- @return number the highest threshold that reaches it: just below the lowest score that is called anomalous
-- @example agad.metrics.best_f1({.1, .4, .3, .8}, {0, 0, 1, 1})

--- @name agad.metrics.tpr_at_fpr(scores, labels, fpr)
-- The highest true-positive rate among thresholds whose false-positive rate is at most `fpr`.
-- @param scores list|tensor
-- @param labels list|tensor
-- @param fpr number 0 to 1
-- @return number
-- @example agad.metrics.tpr_at_fpr({.1, .4, .3, .8}, {0, 0, 1, 1}, .01)

--- @name agad.metrics.roc(scores, labels, most)
-- Points of the ROC curve, without those on the straight line between their neighbours, as scikit-learn's roc_curve: a
-- point counts the scores at or above its threshold.
-- @param scores list|tensor
-- @param labels list|tensor
-- @param most integer at most this many points, about evenly spaced along the curve (0: all)
-- @return table fpr, tpr, thresholds (lists; the first threshold is infinite)
-- @example points = agad.metrics.roc({.1, .4, .3, .8}, {0, 0, 1, 1}); agad.plot {x = points.fpr, y = points.tpr}

--- @name agad.metrics.precision_recall(scores, labels)
-- Precision and recall over all thresholds, in ascending order, as scikit-learn's precision_recall_curve: a point
-- counts the scores at or above its threshold.
-- @param scores list|tensor
-- @param labels list|tensor
-- @return table recall, precision, thresholds (lists; the last threshold is infinite)
-- @example agad.metrics.precision_recall({.1, .4, .3, .8}, {0, 0, 1, 1})

--- @name agad.metrics.histogram(scores, labels, bins)
-- Counts of the scores in equal bins from the lowest to the highest.
-- @param scores list|tensor
-- @param labels list|tensor
-- @param bins integer 50
-- @return table edges (bins + 1), normal, anomalous (bins each)
-- @example agad.metrics.histogram({.1, .4, .3, .8}, {0, 0, 1, 1}, 4).anomalous

--- @name agad.metrics.quantile(values, q)
-- A quantile, interpolated linearly between the sorted values.
-- @param values list|tensor
-- @param q number 0 to 1
-- @return number
-- @example agad.metrics.quantile({1, 2, 3, 4}, .5)

--- @name agad.metrics.thermometer(train, rows, test, labels, o)
-- AUROC of a detector without a network, which sees only batch statistics: each picture's score is how far the channel
-- means and deviations of its batch lie from those of random batches of normal training pictures. If it is far above
-- .5, the batches leak the labels.
-- @param train tensor uint8 (n, channels, height, width)
-- @param rows list|tensor the rows of `train` that are normal, from 0 (nil: all)
-- @param test tensor uint8
-- @param labels list|tensor of the test pictures
-- @param o table batch (256), seed (1), and either order (rows of test, from 0) or shuffles (the number of random
--   orders, over which the AUROC is averaged)
-- @return number

--- @name agad.metrics.localiser(n, height, width)
-- Measures pixel AUROC and PRO (per-region overlap, as for MVTec AD) of at most n error maps. `l:add(maps, masks)` adds
-- a batch of them, both tensors (count, height, width); call `l:result(max_fpr)` (.3) once at the end.
-- @param n integer
-- @param height integer
-- @param width integer
-- @return localiser whose result is a table of pixel_auroc, pro, regions, defect_pixels, normal_pixels

return {}
