-- Documentation of what C provides: `? NAME` reads it (its format is in agad/cli/doc.lua). No code is here.

--- @name agad.grad(output, inputs, gradient, o)
-- Gradients of a tensor with respect to others, without changing their `.grad`.
-- @param output tensor the one to differentiate; it has one element, unless `gradient` is given
-- @param inputs tensor|list those to differentiate with respect to; 256 at most
-- @param gradient tensor of the shape of `output` (optional)
-- @param o table retain_graph (false), create_graph (false; true: the gradients can be differentiated again),
--   allow_unused (false: an input that the output does not depend on is an error)
-- @return tensor one for each input; nil for an unused one
-- @example x = agad.rand(3, {requires_grad = true}); agad.grad(x:pow(2):sum(), {x})

--- @name agad.manual_seed(seed)
-- Seeds the random numbers of operators (agad.rand, agad.randn, …). Runs do not use it; they have an option `seed`.
-- @param seed integer
-- @example agad.manual_seed(1); agad.rand(3)

--- @name agad.generator(seed, device)
-- A random generator with its own seed: agad.rand(3, {generator = agad.generator(7)}).
-- @param seed integer
-- @param device string "cpu"
-- @return generator with state() and set_state(tensor)
-- @example agad.rand(3, {generator = agad.generator(1)})

--- @name tensor
-- A tensor of libtorch. Every operator is a method: t:sum(1), t:softmax(2), t:add(u, {alpha = 2}).
-- Dimensions and indices count from 1, or from -1 at the end; numbers inside a tensor are not shifted
-- (labels and results of argmax count from 0). Keywords go into a table after the other arguments; they are named as in
-- the operator's schema.
-- Fields: shape (a list), dtype, device, requires_grad, grad. Arithmetic: + - * / // % ^ and unary minus; & | ~ << >>
-- of integers and booleans; a .. b joins along the first dimension; #t is its size. < and <= are errors: use t:lt(u).
-- Indexing: t[2], t[-1], t[{1, {2, 5}, {}}] (ranges include both ends), t[{"...", 1}], t[mask],
-- t[indices] (an int64 tensor that counts from 0); a number or a tensor can be assigned to each of them: t[{1, {2, 5}}]
-- = 0.

--- @name tensor:item()
-- The number (or boolean) in a tensor with one element.
-- @return number
-- @example agad.rand(2, 3):sum():item()

--- @name tensor:size(d)
-- The size along a dimension, or all sizes as a list.
-- @param d integer from 1, or from -1 at the end (optional)
-- @return integer
-- @example agad.rand(2, 3):size(1)

--- @name tensor:numel()
-- How many elements there are.
-- @return integer

--- @name tensor:dim()
-- How many dimensions there are.
-- @return integer

--- @name tensor:totable()
-- Its numbers (or booleans) as tables, nested as deep as it has dimensions; the number itself if it has none.
-- @return list|number
-- @raise complex numbers
-- @example agad.rand(2, 3):totable()[2][3]

--- @name tensor:tostring_bytes()
-- Its numbers as bytes, in order; `agad.from_string` converts them back.
-- @return string

--- @name tensor:rows(dim)
-- Iterates along a dimension: for i, row in t:rows() do … end.
-- @param dim integer 1
-- @return function
-- @example for row in agad.rand(2, 3):rows() do print(row) end

--- @name tensor:summary()
-- A one-line description: [float32 3x4 cpu], or 0.5 [float32 cpu] for a single number.
-- @return string

--- @name tensor:register_hook(f)
-- Calls f with the gradient of this tensor whenever one is computed.
-- @param f function(gradient), which may return another gradient to use instead
-- @return function that removes the hook
-- @raise the tensor does not require gradients

--- @name tensor:to(dtype)
-- The same numbers in another type ("float32", "float64", "bfloat16", "int64", "uint8", "bool") or on a device.
-- @param dtype string
-- @return tensor
-- @example agad.rand(2, 3):to "float64"

--- @name tensor:cpu()
-- The tensor in main memory; itself if it is there already.
-- @return tensor

--- @name tensor:cuda(index)
-- The tensor on a GPU.
-- @param index integer 0
-- @return tensor

--- @name tensor:requires_grad_(on)
-- Sets whether operators record what they do with this tensor, for gradients.
-- @param on boolean true
-- @return tensor itself

--- @name tensor:backward(gradient, o)
-- Computes the gradients of this tensor's one number and adds them to `.grad` of the tensors that require gradients.
-- @param gradient tensor required if this tensor has more than one element
-- @param o table retain_graph (false)
-- @example x = agad.rand(3, {requires_grad = true}); x:pow(2):sum():backward(); x.grad

--- @name tensor:close()
-- Frees it now; `local t <close> = …` does so at the end of the block. Using it then is an error.
-- @example local big = agad.zeros(1000, 1000); big:close()

return {}
