-- The classes of the paper's data sets in its order (for CIFAR-100 the superclasses), for the axes of campaigns:
--     local classes = dofile((... or ""):match "^(.*/)" .. "classes.lua")
--     zip = classes.axes {"mnist", "cifar10"}      -- {data = …, normal = …}: each class of each set
--     names = {normal = classes.numbers, data = classes.sets}

local classes = {
  mnist = "0 1 2 3 4 5 6 7 8 9",
  ["fashion-mnist"] = "t-shirt trouser pullover dress coat sandal shirt sneaker bag ankle-boot",
  cifar10 = "airplane automobile bird cat deer dog frog horse ship truck",
  cifar100 = "aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices "
    .. "household_furniture insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes "
    .. "large_omnivores_and_herbivores medium_mammals non-insect_invertebrates people reptiles small_mammals trees "
    .. "vehicles_1 vehicles_2",
}

-- Class -> the paper's number.
local numbers = {}

for set, names in pairs(classes) do
  local list = {}
  for name in names:gmatch "%S+" do
    list[#list + 1] = math.tointeger(name) or name
    numbers[list[#list]] = #list - 1
  end
  classes[set] = list
end

-- Every class of some sets. `more`: set -> another option's value.
local function axes(sets, option, more)
  local zip = {data = {}, normal = {}}
  if option then zip[option] = {} end
  for _, set in ipairs(sets) do
    for _, class in ipairs(classes[set]) do
      table.insert(zip.data, set)
      table.insert(zip.normal, class)
      if option then table.insert(zip[option], more[set]) end
    end
  end
  return zip
end

return {axes = axes, numbers = numbers, sets = {mnist = "MNIST", ["fashion-mnist"] = "Fashion-MNIST",
  cifar10 = "CIFAR10", cifar100 = "CIFAR100"}}
