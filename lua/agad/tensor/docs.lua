-- Documentation of what C provides: `? NAME` reads it (agad/doc.lua has the format). Nothing is defined here.

--- @name agad.grad(output, inputs, gradient, o)
-- Gradients of a tensor for others, without touching their `.grad`.
-- @param output tensor what is differentiated; one number, unless `gradient` is given
-- @param inputs tensor|list for which; 256 at most
-- @param gradient tensor of the shape of `output` (optional)
-- @param o table retain_graph (false), create_graph (false; true: the gradients can be differentiated again),
--   allow_unused (false: an input that has no part in it is an error)
-- @return tensor one for each input; nil for an unused one

--- @name agad.manual_seed(seed)
-- Seeds the random numbers of operators (agad.rand, agad.randn, …). Runs have seeds of their own: option `seed`.
-- @param seed integer

--- @name agad.generator(seed, device)
-- Random numbers with a seed of their own: agad.rand(3, {generator = agad.generator(7)}).
-- @param seed integer
-- @param device string "cpu"
-- @return generator with state() and set_state(tensor)

--- @name tensor
-- A tensor of libtorch. Every operator is a method: t:sum(1), t:softmax(2), t:add(u, {alpha = 2}).
-- Dimensions and positions count from 1, or from the end by -1; numbers inside a tensor are never changed
-- (labels and argmax count from 0). Options follow in a last table, by the names of the operator's schema.
-- Fields: shape (a list), dtype, device, requires_grad, grad. Arithmetic: + - * / // % ^ and unary minus; & | ~ << >>
-- of integers and truth values; a .. b joins along the first dimension; #t is its size. < and <= raise: t:lt(u).
-- Parts: t[2], t[-1], t[{1, {2, 5}, {}}] (ranges, both ends in), t[{"...", 1}], t[mask], t[positions from 0]; all of
-- them can be assigned a number or a tensor: t[{1, {2, 5}}] = 0.

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
-- Its numbers (or truth values) as nested tables, as deep as it has dimensions; without any, the number itself.
-- @return list|number
-- @raise complex numbers

--- @name tensor:tostring_bytes()
-- Its memory in order; `agad.from_string` is the way back.
-- @return string

--- @name tensor:rows(dim)
-- Walks along a dimension: for i, row in t:rows() do … end.
-- @param dim integer 1
-- @return function

--- @name tensor:summary()
-- What it is, in one line: [float32 3x4 cpu], or of a single number 0.5 [float32 cpu].
-- @return string

--- @name tensor:register_hook(f)
-- Calls f with the gradient of this tensor whenever one is computed.
-- @param f function(gradient), may return another one in its place
-- @return function that removes the hook
-- @raise the tensor does not require gradients

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
