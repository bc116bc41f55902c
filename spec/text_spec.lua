-- Text from outside in messages: what a terminal and JSON cannot hold is escaped, in C as in Lua.
-- To add a case: a pair {text, what a terminal is given} in `cases`.
local core = require "agad.core"
local text = require "agad.base.text"

describe("printable text", function()
  local cases = {
    {"cloth", "cloth"}, {"", ""}, {"é \u{20AC} \u{1F600}", "é \u{20AC} \u{1F600}"}, {"a\\b\"c", "a\\b\"c"},
    {"new\nline", "new\\x0Aline"}, {"\0\1\27[31m\127", "\\x00\\x01\\x1B[31m\\x7F"},
    {"b\xE9", "b\\xE9"}, {"é\xFF", "\\xC3\\xA9\\xFF"}, {"cut \xE2\x82", "cut \\xE2\\x82"},
    {"\xC0\x80", "\\xC0\\x80"}, {"\xED\xA0\x80", "\\xED\\xA0\\x80"}, {"\xF4\x90\x80\x80", "\\xF4\\x90\\x80\\x80"},
    {"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"}, {"é\n", "é\\x0A"},
    -- The controls U+0080 to U+009F (U+009B begins a colour code), and marks that reverse text or begin a line.
    {"\u{80}é\u{9B}31m\u{9F}\u{A0}", "\\xC2\\x80é\\xC2\\x9B31m\\xC2\\x9F\u{A0}"},
    {"gnp.\u{202E}exe", "gnp.\\xE2\\x80\\xAEexe"},
    {"\u{202A}\u{2066}\u{2069}", "\\xE2\\x80\\xAA\\xE2\\x81\\xA6\\xE2\\x81\\xA9"},
    {"\u{200E}\u{200F}\u{61C}", "\\xE2\\x80\\x8E\\xE2\\x80\\x8F\\xD8\\x9C"}, {"a\u{2028}b", "a\\xE2\\x80\\xA8b"},
    {"\u{200D}\u{2010}\u{202F}\u{206A}", "\u{200D}\u{2010}\u{202F}\u{206A}"}, {"\u{9B}\xFF", "\\xC2\\x9B\\xFF"},
  }
  for i, case in ipairs(cases) do
    it(("case %d"):format(i), function() assert.equal(case[2], text.printable(case[1])) end)
  end

  it("stays as it is when it is made printable again", function()
    for _, case in ipairs(cases) do assert.equal(case[2], text.printable(case[2])) end
  end)

  it("is what the C core quotes", function()
    local function message(path) return select(2, pcall(core.data.read, path)) end
    assert.matches("/none/two\\x0Alines: No such file or directory$", message "/none/two\nlines")
    assert.matches("/none/b\\xE9: No such file or directory$", message "/none/b\xE9")
    assert.matches("/none/é: No such file or directory$", message "/none/é")
    local _, field = pcall(function() return core.operator "ones"(2)["no\nfield"] end)
    assert.matches("a tensor has no field or operator 'no\\x0Afield'$", field)
    local _, net = pcall(core.net, '{"name": "a\\nb", "input": [1, 2, 2], "nodes": [], "outputs": 3}')
    assert.matches("a\\x0Ab", net)
    local long = message("/none/" .. ("é"):rep(700)) -- longer than a message: cut, but not into half a character
    assert.is_true(utf8.len(long) > 500)
    assert.is_nil(long:find("\\x", 1, true))
  end)
end)
