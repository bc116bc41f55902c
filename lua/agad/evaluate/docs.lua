-- Documentation of the metrics, which C provides: `? NAME` reads it (its format is in agad/cli/doc.lua). No code is
-- here. Scores are lists or tensors, a higher one is more anomalous; labels are 0 (normal) and 1 (anomalous).

--- @name agad.metrics.auroc(scores, labels)
-- Area under the ROC curve: the chance that an anomalous score is above a normal one, ties counted half. Exact.
-- @param scores list|tensor
-- @param labels list|tensor
-- @return number
-- @raise scores are not finite (with their number and the first one); all labels are equal, so that it is undefined

--- @name agad.metrics.auroc_interval(scores, labels, o)
-- The stratified bootstrap's percentile interval of AUROC.
-- @param scores list|tensor
-- @param labels list|tensor
-- @param o table resamples (1000), level (.95), seed (1)
-- @return number its low end
-- @return number its high end

--- @name agad.metrics.average_precision(scores, labels)
-- Sum over thresholds of (recall gained) x precision: scikit-learn's average_precision_score.
-- @param scores list|tensor
-- @param labels list|tensor
-- @return number

--- @name agad.metrics.f1(scores, labels, threshold)
-- F1 of calling anomalous every score at or above a threshold.
-- @param scores list|tensor
-- @param labels list|tensor
-- @param threshold number
-- @return number

--- @name agad.metrics.best_f1(scores, labels)
-- The best F1 over all thresholds. It is an oracle, as it uses the labels.
-- @param scores list|tensor
-- @param labels list|tensor
-- @return number
-- @return number the highest threshold that reaches it

--- @name agad.metrics.tpr_at_fpr(scores, labels, fpr)
-- The highest true-positive rate among thresholds whose false-positive rate is at most `fpr`.
-- @param scores list|tensor
-- @param labels list|tensor
-- @param fpr number 0 to 1
-- @return number

--- @name agad.metrics.roc(scores, labels, most)
-- Points of the ROC curve without those on straight lines, as scikit-learn's roc_curve.
-- @param scores list|tensor
-- @param labels list|tensor
-- @param most integer at most this many points, about evenly spaced along the curve (0: all)
-- @return table fpr, tpr, thresholds (lists; the first threshold is infinite)

--- @name agad.metrics.precision_recall(scores, labels)
-- Precision and recall over all thresholds, in ascending order, as scikit-learn's precision_recall_curve.
-- @param scores list|tensor
-- @param labels list|tensor
-- @return table recall, precision, thresholds (lists; the last threshold is infinite)

--- @name agad.metrics.histogram(scores, labels, bins)
-- Counts of the scores in equal bins from the lowest to the highest.
-- @param scores list|tensor
-- @param labels list|tensor
-- @param bins integer 50
-- @return table edges (bins + 1), normal, anomalous (bins each)

--- @name agad.metrics.quantile(values, q)
-- A quantile, interpolated between order statistics.
-- @param values list|tensor
-- @param q number 0 to 1
-- @return number

--- @name agad.metrics.thermometer(train, rows, test, labels, o)
-- AUROC of a detector that sees batches only: the distance of the channel means and deviations of a batch to those of
-- random batches of normal training pictures. Far above .5, batches leak the labels.
-- @param train tensor uint8 (n, channels, height, width)
-- @param rows list|tensor the normal ones among them, from 0 (nil: all)
-- @param test tensor uint8
-- @param labels list|tensor of the test pictures
-- @param o table batch (256), order (rows of test, from 0), or shuffles (the mean over so many orders), seed (1)
-- @return number

--- @name agad.metrics.localiser(n, height, width)
-- Pixel AUROC and PRO (per-region overlap, MVTec AD) of error maps, added batch by batch: `l:add(maps, masks)`, both
-- (count, height, width), at most n maps in all, then once `l:result(max_fpr)` (.3).
-- @param n integer
-- @param height integer
-- @param width integer
-- @return localiser its result: pixel_auroc, pro, regions, defect_pixels, normal_pixels

return {}
