-- Pictures that are tensors already, as a set.

local agad = require "agad"
local core = require "agad.core"
local check_names = require("agad.base.options").check_names
local sets = require "agad.data.set"
local fail = sets.fail

local tensors = {}

local known = {"classes", "images", "labels", "masks", "name", "normal", "test_images", "test_labels", "test_masks"}

local function is_tensor(t) return type(t) == "userdata" and pcall(function() return t.shape, t.dtype end) end

local function shape_text(shape) return table.concat(shape, " x ") end

local function take_images(key, t)
  if not is_tensor(t) or t.dtype ~= "uint8" then
    fail("tensors: %s is %s; give a uint8 tensor of numbers from 0 to 255", key,
      is_tensor(t) and "a tensor of " .. t.dtype or "a " .. type(t))
  end
  if #t.shape == 3 then t = t:unsqueeze(2) end
  local s = t.shape
  if #s ~= 4 or s[1] < 1 or (s[2] ~= 1 and s[2] ~= 3) or s[3] < 1 or s[4] < 1 then
    fail("tensors: %s is %s; give (n, channels, height, width) with 1 or 3 channels, or (n, height, width), not empty",
      key, shape_text(s))
  end
  return t:cpu():contiguous()
end

local function take_labels(key, given, n)
  local list = given
  if given == nil then
    return agad.zeros({n}, {dtype = "int64"}), 0
  elseif is_tensor(given) then
    if not given.dtype:find "int" or #given.shape ~= 1 then
      fail("tensors: %s is a tensor of %s with %d dimensions; give whole numbers in one dimension", key, given.dtype,
        #given.shape)
    end
    list = given:totable()
  elseif type(given) ~= "table" then
    fail("tensors: %s is a %s; give a list or a tensor of whole numbers from 0", key, type(given))
  end
  if #list ~= n then fail("tensors: %s has %d labels for %d pictures", key, #list, n) end
  local most = 0
  for i, label in ipairs(list) do
    if math.type(label) ~= "integer" or label < 0 then
      fail("tensors: %s: item %d is %s; labels are whole numbers from 0", key, i, label)
    end
    most = math.max(most, label)
  end
  return core.from_table(list, "int64"), most
end

local function take_masks(key, t, images)
  if t == nil then return nil end
  local n, h, w = images.shape[1], images.shape[3], images.shape[4]
  if not is_tensor(t) or (t.dtype ~= "uint8" and t.dtype ~= "bool") then
    fail("tensors: %s: give a uint8 or bool tensor that is 0 where there is no defect", key)
  end
  local s = t.shape
  if #s ~= 3 or s[1] ~= n or s[2] ~= h or s[3] ~= w then
    fail("tensors: %s is %s; the pictures need %d x %d x %d", key, shape_text(s), n, h, w)
  end
  return t:cpu():ne(0):to("uint8")
end

local function take_split(o, prefix)
  local images = take_images(prefix .. "images", o[prefix .. "images"])
  local labels, most = take_labels(prefix .. "labels", o[prefix .. "labels"], images.shape[1])
  return {images = images, labels = labels, masks = take_masks(prefix .. "masks", o[prefix .. "masks"], images)}, most
end

local function class_names(given, labelled, most)
  if given == nil then
    if not labelled then return {"normal"} end
    given = {}
    for label = 0, most do given[label + 1] = tostring(label) end
  end
  if type(given) ~= "table" or #given == 0 then fail "tensors: classes: give a list of names" end
  local seen, names = {}, {}
  for i, name in ipairs(given) do
    names[i] = tostring(name)
    if seen[names[i]] then fail("tensors: classes: %s is listed twice", names[i]) end
    seen[names[i]] = true
  end
  if most >= #names then fail("tensors: label %d, but there are only %d classes", most, #names) end
  return names
end

-- Makes a set of tensors.
function tensors.set(o)
  if type(o) ~= "table" then fail "tensors: give a table with images" end
  check_names("tensors", o, known)
  local train, most = take_split(o, "")
  local test, other
  if o.test_images ~= nil then
    if o.labels ~= nil and o.test_labels == nil then fail "tensors: test_labels are missing; labels are given" end
    test, other = take_split(o, "test_")
    local a, b = train.images.shape, test.images.shape
    if a[2] ~= b[2] or a[3] ~= b[3] or a[4] ~= b[4] then
      fail("tensors: images are %s, test_images %s; channels, height and width must be equal", shape_text(a),
        shape_text(b))
    end
  elseif o.test_labels ~= nil or o.test_masks ~= nil then
    fail "tensors: test_images are missing; test_labels or test_masks are given"
  end
  local classes = class_names(o.classes, o.labels ~= nil or o.test_labels ~= nil, math.max(most, other or 0))
  local set = sets.new {name = o.name or "tensors", call = "tensors", place = "{…}", options = {}, known = {},
    train = train, test = test, classes = classes, holdout = .1, normal = sets.normal_of(classes)}
  if o.normal ~= nil then set.normal = classes[set:label_of(o.normal) + 1] end
  return set
end

return tensors
