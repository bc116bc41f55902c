-- Documentation of what C provides: `? NAME` reads it (agad/doc.lua has the format). Nothing is defined here.

--- @name agad.grad(output, inputs, gradient, o)
-- Gradients of a tensor for others, without touching their `.grad`.
-- @param output tensor what is differentiated; one number, unless `gradient` is given
-- @param inputs tensor|list for which; 256 at most
-- @param gradient tensor of the shape of `output` (optional)
-- @param o table retain_graph (false), allow_unused (false: an input that has no part in it is an error)
-- @return tensor one for each input; nil for an unused one

--- @name agad.manual_seed(seed)
-- Seeds the random numbers of operators (agad.rand, agad.randn, …). Runs have seeds of their own: option `seed`.
-- @param seed integer

--- @name agad.memory()
-- What tensors hold now.
-- @return table tensors (their number), bytes, peak (the most bytes so far)

--- @name tensor
-- A tensor of libtorch. Every operator is a method: t:sum(1), t:softmax(2), t:add(u, {alpha = 2}).
-- Dimensions and positions count from 1, or from the end by -1; numbers inside a tensor are never changed
-- (labels and argmax count from 0). Options follow in a last table, by the names of the operator's schema.
-- Fields: shape (a list), dtype, device, requires_grad, grad. Arithmetic: + - * / and unary minus.

--- @name tensor:item()
-- The one number (or truth value) of a tensor with one element.
-- @return number

--- @name tensor:size(d)
-- The size along a dimension, or all sizes as a list.
-- @param d integer from 1, or from the end by -1 (optional)
-- @return integer

--- @name tensor:numel()
-- How many elements there are.
-- @return integer

--- @name tensor:dim()
-- How many dimensions there are.
-- @return integer

--- @name tensor:totable()
-- All numbers in order, whatever the shape.
-- @return list

--- @name tensor:to(dtype)
-- The same numbers in another type ("float32", "float64", "bfloat16", "int64", "uint8", "bool") or on a device.
-- @param dtype string
-- @return tensor

--- @name tensor:cpu()
-- The tensor in main memory; itself where it is there already.
-- @return tensor

--- @name tensor:cuda(index)
-- The tensor on a GPU.
-- @param index integer 0
-- @return tensor

--- @name tensor:requires_grad_(on)
-- Whether operators record what they do with this tensor.
-- @param on boolean true
-- @return tensor itself

--- @name tensor:backward(gradient, o)
-- Adds the gradients of this number to `.grad` of the tensors that require one.
-- @param gradient tensor needed where this is more than one number
-- @param o table retain_graph (false)

--- @name tensor:close()
-- Frees it now; `local t <close> = …` does so at the end of the block. Using it then is an error.

return {}
